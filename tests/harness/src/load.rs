//! Requests of many clients whose secrets rotate, in front of a store that goes away and comes back,
//! and for each answer the question whether it was right at its moment.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::{Answer, Failure, Http};

/// How long a request may wait for the store. One that began to wait during an outage holds a
/// connection of the pool until then, so this long after it a request may still be answered 503.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Wrong answers that are put into words.
const SHOWN: usize = 10;

/// When something happened: somewhere between the two.
type Moment = (Instant, Instant);

/// A secret that was right from one moment to another.
#[derive(Debug)]
struct Epoch {
    secret: String,
    from: Moment,
    until: Option<Moment>,
}

impl Epoch {
    /// Whether the secret may have been right while a request was under way.
    fn may_be_right(&self, start: Instant, end: Instant) -> bool {
        self.from.0 <= end && self.until.is_none_or(|until| start <= until.1)
    }

    /// Whether it may have been wrong.
    fn may_be_wrong(&self, start: Instant, end: Instant) -> bool {
        start <= self.from.1 || self.until.is_some_and(|until| until.0 <= end)
    }
}

#[derive(Debug)]
struct Record {
    client: usize,
    /// Which of its secrets was sent; none is a guess.
    epoch: Option<usize>,
    start: Instant,
    end: Instant,
    answer: Result<Answer, Failure>,
}

impl Record {
    fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |answer| answer.status)
    }
}

/// What is under way.
#[derive(Debug)]
pub struct Load {
    servers: Vec<String>,
    requests: usize,
    /// How long after a rotation the old secret may still be accepted and the new one not yet.
    lag: Duration,
    clients: Vec<(String, Mutex<Vec<Epoch>>)>,
    next: AtomicUsize,
    records: Mutex<Vec<Record>>,
    outages: Mutex<Vec<Moment>>,
    rotations: AtomicUsize,
    http: Http,
}

/// What was counted.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The first answers that were wrong, in words. There should be none.
    pub violations: Vec<String>,
    /// The issued tokens, each with its client.
    pub tokens: Vec<(String, String)>,
    /// How many answers there were of 200, 401 and 503.
    pub answers: [usize; 3],
    wrong: usize,
    rotations: usize,
    /// How many secrets there ever were, each of which was tried once more in the end.
    secrets: usize,
    outages: usize,
    duration: Duration,
    recovery: Duration,
    latencies: Vec<Duration>,
}

impl Load {
    /// `requests` requests to `servers` in turn, for `clients` with their secrets. A rotation must
    /// be seen after `lag`.
    #[must_use]
    pub fn new(
        servers: impl IntoIterator<Item = String>,
        clients: impl IntoIterator<Item = (String, String)>,
        requests: usize,
        lag: Duration,
    ) -> Arc<Self> {
        let now = Instant::now();
        let clients = clients.into_iter().map(|(client_id, secret)| {
            (client_id, Mutex::new(vec![Epoch { secret, from: (now, now), until: None }]))
        });
        Arc::new(Self {
            servers: servers.into_iter().collect(),
            requests,
            lag,
            clients: clients.collect(),
            next: AtomicUsize::new(0),
            records: Mutex::default(),
            outages: Mutex::default(),
            rotations: AtomicUsize::new(0),
            http: Http::new(),
        })
    }

    /// Sends all requests, `workers` at a time, while secrets rotate. Of a hundred one has a secret
    /// that was never right, and one a replaced secret.
    ///
    /// `rotate` replaces the secret of a client and returns the new one; it gets a label that is the
    /// same when it is called again after a failure. In the end every secret that there ever was is
    /// tried once more, so that no acknowledged rotation can have been lost.
    ///
    /// # Errors
    ///
    /// If a task panics.
    pub async fn run<F, Fut>(self: &Arc<Self>, workers: usize, rotate: F) -> Result<Report, Failure>
    where
        F: Fn(String, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, Failure>> + Send,
    {
        let begin = Instant::now();
        let load = Arc::clone(self);
        let rotating = tokio::spawn(async move {
            for round in 0.. {
                if load.is_done() {
                    break;
                }
                load.rotate(round, &rotate).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                let load = Arc::clone(self);
                tokio::spawn(async move {
                    loop {
                        let number = load.next.fetch_add(1, SeqCst);
                        if number >= load.requests {
                            break;
                        }
                        let record = load.send(number).await;
                        lock(&load.records).push(record);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await?;
        }
        let duration = begin.elapsed();
        rotating.await?;
        let mut report = self.evaluate(&lock(&self.records), duration);
        tokio::time::sleep(self.lag).await;
        let last = self.evaluate(&self.try_every_secret().await, duration);
        report.violations.extend(last.violations);
        report.wrong += last.wrong;
        report.secrets = last.latencies.len();
        Ok(report)
    }

    /// Waits until this part of the requests was sent, from 0 to 1.
    pub async fn reach(&self, part: f64) {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
        while (self.next.load(SeqCst) as f64) < self.requests as f64 * part {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Takes the store away until `refused` requests were answered 503, and gives it back.
    ///
    /// # Errors
    ///
    /// If one of the two fails.
    pub async fn outage<S>(
        &self,
        refused: usize,
        store: &mut S,
        take: impl FnOnce(&mut S),
        give: impl FnOnce(&mut S) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        take(store);
        let seen = || {
            let records = lock(&self.records);
            records.iter().filter(|r| r.end > start && r.status() == 503).count()
        };
        while seen() < refused && !self.is_done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::task::block_in_place(|| give(store))?;
        lock(&self.outages).push((start, Instant::now()));
        Ok(())
    }

    fn is_done(&self) -> bool {
        lock(&self.records).len() >= self.requests
    }

    async fn rotate<F, Fut>(&self, round: usize, rotate: &F)
    where
        F: Fn(String, String) -> Fut,
        Fut: Future<Output = Result<String, Failure>>,
    {
        let Some((client_id, epochs)) = self.clients.get(round % self.clients.len()) else {
            return;
        };
        let start = Instant::now();
        let secret = loop {
            match rotate(client_id.clone(), format!("rotation {round}")).await {
                Ok(secret) => break secret,
                // It is unknown whether it was stored.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let moment = (start, Instant::now() + self.lag);
        let mut epochs = lock(epochs);
        if let Some(last) = epochs.last_mut() {
            last.until = Some(moment);
        }
        epochs.push(Epoch { secret, from: moment, until: None });
        self.rotations.fetch_add(1, SeqCst);
    }

    async fn send(&self, number: usize) -> Record {
        // Far apart, so that neighbours do not ask for the same client.
        let client = number.wrapping_mul(7919) % self.clients.len();
        let last = self.epochs(client).map_or(0, |epochs| epochs.len().saturating_sub(1));
        let epoch = match number % 100 {
            0 => None,
            1 => Some(last.saturating_sub(1)),
            _ => Some(last),
        };
        self.ask(number, client, epoch).await
    }

    async fn try_every_secret(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for client in 0..self.clients.len() {
            let secrets = self.epochs(client).map_or(0, |epochs| epochs.len());
            for epoch in 0..secrets {
                records.push(self.ask(epoch, client, Some(epoch)).await);
            }
        }
        records
    }

    async fn ask(&self, number: usize, client: usize, epoch: Option<usize>) -> Record {
        let server = self.servers.get(number % self.servers.len()).map_or("", String::as_str);
        let client_id = self.clients.get(client).map_or("", |(client_id, _)| client_id);
        let secret =
            self.epochs(client).and_then(|epochs| Some(epochs.get(epoch?)?.secret.clone()));
        let secret = secret.unwrap_or_else(|| "a-guess".to_owned());
        let start = Instant::now();
        let answer = self.http.token(server, client_id, &secret).await;
        Record { client, epoch, start, end: Instant::now(), answer }
    }

    fn epochs(&self, client: usize) -> Option<MutexGuard<'_, Vec<Epoch>>> {
        self.clients.get(client).map(|(_, epochs)| lock(epochs))
    }

    fn evaluate(&self, records: &[Record], duration: Duration) -> Report {
        let outages = lock(&self.outages);
        let mut report = Report {
            rotations: self.rotations.load(SeqCst),
            outages: outages.len(),
            duration,
            ..Report::default()
        };
        for record in records {
            let Some((client_id, epochs)) = self.clients.get(record.client) else { continue };
            let epochs = lock(epochs);
            let epoch = record.epoch.and_then(|epoch| epochs.get(epoch));
            let (start, end) = (record.start, record.end);
            let member = |name| record.answer.as_ref().ok().and_then(|answer| answer.member(name));
            let token = member("access_token");
            let wrong = match record.status() {
                200 => {
                    report.answers[0] += 1;
                    report.tokens.extend(token.map(|token| (client_id.clone(), token.to_owned())));
                    if !epoch.is_some_and(|epoch| epoch.may_be_right(start, end)) {
                        Some("a secret that is not right was accepted")
                    } else if token.is_none() {
                        Some("there is no token")
                    } else {
                        None
                    }
                }
                401 => {
                    report.answers[1] += 1;
                    if !epoch.is_none_or(|epoch| epoch.may_be_wrong(start, end)) {
                        Some("a secret that is right was refused")
                    } else if member("error") != Some("invalid_client") {
                        Some("it is not an answer of the layer")
                    } else {
                        None
                    }
                }
                503 => {
                    report.answers[2] += 1;
                    if !outages
                        .iter()
                        .any(|(gone, back)| *gone <= end && start <= *back + STORE_TIMEOUT)
                    {
                        Some("the store was there")
                    } else if member("error") != Some("temporarily_unavailable") {
                        Some("it is not an answer of the layer")
                    } else {
                        None
                    }
                }
                0 => Some("there is no answer"),
                _ => Some("there is no reason for it"),
            };
            if let Some(wrong) = wrong {
                let secret = match record.epoch {
                    None => "a guess".to_owned(),
                    Some(epoch) => format!("secret {} of {}", epoch + 1, epochs.len()),
                };
                report.wrong += 1;
                if report.violations.len() < SHOWN {
                    let answer = &record.answer;
                    report.violations.push(format!("{wrong}: {client_id}, {secret}: {answer:?}"));
                }
            }
            report.latencies.push(end - start);
        }
        for (_, back) in outages.iter() {
            let again = records.iter().filter(|r| r.status() == 200 && r.start >= *back);
            let first = again.map(|r| r.end - *back).min().unwrap_or(duration);
            report.recovery = report.recovery.max(first);
        }
        report.latencies.sort_unstable();
        report
    }
}

impl Report {
    fn percentile(&self, percent: usize) -> Duration {
        let index = self.latencies.len() * percent / 100;
        let last = self.latencies.last().copied().unwrap_or_default();
        self.latencies.get(index).copied().unwrap_or(last)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [right, wrong, unavailable] = self.answers;
        let seconds = self.duration.as_secs_f64();
        writeln!(f, "requests: {} in {seconds:.1} s", self.latencies.len())?;
        writeln!(f, "answers: {right} × 200, {wrong} × 401, {unavailable} × 503")?;
        writeln!(f, "wrong answers: {}", self.wrong)?;
        writeln!(f, "rotations: {}, outages: {}", self.rotations, self.outages)?;
        writeln!(f, "secrets that were tried once more in the end: {}", self.secrets)?;
        writeln!(f, "first 200 after the store was back: {:?} at most", self.recovery)?;
        let (half, most) = (self.percentile(50), self.percentile(99));
        write!(f, "latency: {half:?} median, {most:?} for 99 %, {:?} at most", self.percentile(100))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
