//! When a connection is polled: at once where it has woken itself, and what it waits for beside its work only when that has
//! woken it.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use pin_project_lite::pin_project;

/// How often it may go on before others have their turn.
const TURNS: usize = 2;

pin_project! {
    /// A future that is polled again at once when it was woken while it was polled.
    ///
    /// A connection of HTTP/1.1 wakes itself when the service reads a body that is there already, as a form nearly always
    /// is. Tokio wakes another thread for what is woken so, and that costs more than reading the form.
    pub(super) struct Eager<F> {
        #[pin]
        future: F,
        wakes: Wakes,
    }
}

impl<F: Future> Eager<F> {
    /// Polls `future` twice at most before others have their turn.
    pub(super) fn new(future: F) -> Self {
        Self { future, wakes: Wakes::new(IDLE) }
    }
}

pin_project! {
    /// A future that is not polled until it was woken, however often that is which has it.
    pub(super) struct Resting<F> {
        #[pin]
        future: F,
        wakes: Wakes,
    }
}

impl<F: Future> Resting<F> {
    pub(super) fn new(future: F) -> Self {
        Self { future, wakes: Wakes::new(WOKEN) }
    }
}

/// What a future is woken by that is polled by its own waker.
struct Wakes {
    woken: Arc<Woken>,
    waker: Waker,
    /// The one of the task, as `woken` has it.
    task: Option<Waker>,
}

impl Wakes {
    fn new(state: u8) -> Self {
        let woken = Arc::new(Woken { state: AtomicU8::new(state), task: Mutex::new(None) });
        Self { waker: Arc::clone(&woken).into(), woken, task: None }
    }

    /// From now on it wakes the task of `context`.
    fn follow(&mut self, context: &Context<'_>) {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            self.task = Some(context.waker().clone());
            self.woken.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.task);
        }
    }
}

const IDLE: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;

struct Woken {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Who polls it looks afterwards.
        if self.state.swap(WOKEN, Ordering::AcqRel) == IDLE {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
            task.iter().for_each(Waker::wake_by_ref);
        }
    }
}

impl<F: Future> Future for Eager<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        this.wakes.follow(context);
        let state = &this.wakes.woken.state;
        for _turn in 0..TURNS {
            // Not a store, which the reads of the poll may overtake: a wake in between would be lost.
            state.swap(POLLED, Ordering::AcqRel);
            if let Poll::Ready(output) =
                this.future.as_mut().poll(&mut Context::from_waker(&this.wakes.waker))
            {
                return Poll::Ready(output);
            }
            let idle = state.compare_exchange(POLLED, IDLE, Ordering::AcqRel, Ordering::Acquire);
            if idle.is_ok() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<F: Future> Future for Resting<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.wakes.follow(context);
        let state = &this.wakes.woken.state;
        if state.load(Ordering::Relaxed) != WOKEN {
            return Poll::Pending;
        }
        // Who wakes it from here on wakes the task.
        state.swap(IDLE, Ordering::AcqRel);
        this.future.poll(&mut Context::from_waker(&this.wakes.waker))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::{future::poll_fn, pin::pin, sync::atomic::AtomicUsize};

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Wakes itself so often, and then is ready with the number of polls.
    async fn woken(times: usize) -> usize {
        let mut polls = 0;
        poll_fn(|context| {
            polls += 1;
            if polls > times {
                return Poll::Ready(polls);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    #[test]
    fn future_that_wakes_itself_goes_on_and_nobody_is_woken() {
        let counter = Arc::new(Counter::default());
        let waker = Arc::clone(&counter).into();
        let future = pin!(Eager::new(woken(1)));
        assert_eq!(future.poll(&mut Context::from_waker(&waker)), Poll::Ready(2));
        assert_eq!(counter.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn others_have_their_turn_where_it_wakes_itself_again_and_again() {
        let counter = Arc::new(Counter::default());
        let waker = Arc::clone(&counter).into();
        let mut future = pin!(Eager::new(woken(4)));
        for turn in 1..=2 {
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            assert_eq!(polled, Poll::Pending);
            assert_eq!(counter.0.load(Ordering::Relaxed), turn);
        }
        assert_eq!(future.poll(&mut Context::from_waker(&waker)), Poll::Ready(5));
    }

    #[test]
    fn what_rests_is_polled_when_it_was_woken_and_not_before() {
        let counter = Arc::new(Counter::default());
        let waker = Arc::clone(&counter).into();
        let inside = Mutex::new(None);
        let mut polls = 0;
        let future = poll_fn(|context| {
            polls += 1;
            *inside.lock().unwrap() = Some(context.waker().clone());
            if polls < 2 { Poll::Pending } else { Poll::Ready(polls) }
        });
        let mut future = pin!(Resting::new(future));
        for _ in 0..3 {
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            assert_eq!(polled, Poll::Pending);
        }
        let wake: Waker = inside.lock().unwrap().clone().unwrap();
        wake.wake();
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        assert_eq!(future.poll(&mut Context::from_waker(&waker)), Poll::Ready(2));
    }

    #[test]
    fn who_wakes_it_later_wakes_its_task_of_then() {
        let (first, second) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let mut inside = None;
        let future = poll_fn(|context| {
            inside = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        {
            let mut future = pin!(Eager::new(future));
            for task in [&first, &second] {
                let waker = Arc::clone(task).into();
                assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
        let waker = inside.unwrap();
        waker.wake_by_ref();
        // It was not polled since.
        waker.wake();
        assert_eq!(first.0.load(Ordering::Relaxed), 0);
        assert_eq!(second.0.load(Ordering::Relaxed), 1);
    }
}
