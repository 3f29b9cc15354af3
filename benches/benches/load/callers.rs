//! The client whose requests are timed, and the others.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use serde_json::json;

use crate::{
    SECRET,
    server::stranger,
    support::{
        assertions::{self, ISSUER},
        work,
    },
    trials::{Pressure, Scale},
};

/// Connections of the client whose requests are timed, which take turns.
const CALLERS: u32 = 32;

fn basic(id: &str, secret: &str) -> Vec<u8> {
    let authorization = work::basic(id, secret);
    post(&format!("authorization: {authorization}\r\n"), "grant_type=client_credentials")
}

fn post(headers: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    let head = format!(
        "POST /token HTTP/1.1\r\nhost: as.example.com\r\n{headers}content-length: {length}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n"
    );
    (head + form).into_bytes()
}

/// A new one each time, which is right for HS256 and wrong for ES512.
fn assertion(alg: &str, id: &str) -> Vec<u8> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let claims = json!({
        "iss": id, "sub": id, "aud": ISSUER, "exp": now + 60, "iat": now,
        "jti": NUMBER.fetch_add(1, SeqCst).to_string(),
    });
    let header = json!({ "alg": alg, "kid": "1" });
    let input = assertions::input(&header.to_string(), &claims.to_string());
    let signature = if alg == "HS256" {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        hmac::sign(&key, input.as_bytes()).as_ref().to_vec()
    } else {
        // As numbers, they are in range.
        vec![1; 132]
    };
    post("", &assertions::form(&input, &signature))
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The status of the answer, which is small and arrives in one piece.
fn ask(stream: &mut TcpStream, request: &[u8]) -> io::Result<String> {
    let mut buffer = [0; 2048];
    stream.write_all(request)?;
    let length = stream.read(&mut buffer)?;
    let status = buffer.get(9..12).filter(|_| length > 12);
    status
        .map(|status| String::from_utf8_lossy(status).into_owned())
        .ok_or_else(|| io::Error::other("a connection was closed without an answer"))
}

fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}

/// Seconds from the time that each request was to be sent at; infinite without an answer.
pub(super) fn call(address: SocketAddr, scale: &Scale) -> io::Result<Vec<f64>> {
    let request = basic("fast", SECRET);
    let streams = (0..CALLERS).map(|_| connect(address)).collect::<io::Result<Vec<_>>>()?;
    let start = Instant::now() + Duration::from_millis(20);
    // What was not answered a second later is not waited for.
    let end = start + scale.phase + Duration::from_secs(1);
    let caller = |number: u32, mut stream: TcpStream| {
        let mut times = Vec::new();
        for turn in 0.. {
            let after = Duration::from_secs(1) * (number + turn * CALLERS) / scale.rate;
            if after >= scale.phase {
                return times;
            }
            let at = start + after;
            sleep_until(at);
            let left = end.saturating_duration_since(Instant::now());
            // One that waits for an answer cannot send, and from the first that got none, nothing goes on.
            let is_waiting = times.last().is_some_and(|time: &f64| time.is_infinite());
            let is_answered = !is_waiting
                && !left.is_zero()
                && stream.set_read_timeout(Some(left)).is_ok()
                && ask(&mut stream, &request).is_ok_and(|status| status == "200");
            times.push(if is_answered { at.elapsed().as_secs_f64() } else { f64::INFINITY });
        }
        times
    };
    thread::scope(|scope| {
        let caller = &caller;
        let callers: Vec<_> = (0..)
            .zip(streams)
            .map(|(number, stream)| scope.spawn(move || caller(number, stream)))
            .collect();
        let mut all = Vec::new();
        for caller in callers {
            all.extend(caller.join().map_err(|_panic| io::Error::other("a caller panicked"))?);
        }
        Ok(all)
    })
}

/// Asks until `end`, at most a hundred times a second where it could be more.
fn trouble(
    pressure: Pressure,
    number: usize,
    address: SocketAddr,
    end: &AtomicBool,
) -> io::Result<()> {
    let mut stream = connect(address)?;
    let id = stranger(number);
    while !end.load(SeqCst) {
        let next = Instant::now() + Duration::from_millis(10);
        let (request, expected) = match pressure {
            Pressure::Redis => (assertion("HS256", &id), "200"),
            Pressure::Signatures => (assertion("ES512", &id), "401"),
            _ => (basic(&id, "wrong"), "401"),
        };
        let status = ask(&mut stream, &request)?;
        if status != expected {
            return Err(io::Error::other(format!("{id} was answered {status}")));
        }
        sleep_until(next);
    }
    Ok(())
}

/// Begins requests, and those that were closed anew, until `end`.
fn begin_bodies(
    address: SocketAddr,
    count: usize,
    ready: &mpsc::Sender<()>,
    end: &AtomicBool,
) -> io::Result<()> {
    let mut part = post("", &"a".repeat(300));
    part.truncate(part.len() - 299);
    let begin = || -> io::Result<TcpStream> {
        let mut stream = connect(address)?;
        stream.write_all(&part)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    let mut open = Vec::new();
    for number in 1..=count {
        open.push(begin()?);
        // More than a server accepts in that time would wait for a second to be tried again.
        if number % 32 == 0 {
            thread::sleep(Duration::from_millis(3));
        }
    }
    let _waits = ready.send(());
    let mut begun = 0;
    while !end.load(SeqCst) {
        for stream in &mut open {
            let is_open = stream
                .read(&mut [0; 512])
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
            if !is_open {
                *stream = begin()?;
                begun += 1;
            }
            if begun == 32 {
                begun = 0;
                thread::sleep(Duration::from_millis(3));
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The times of the client while the others are there.
pub(super) fn call_beside(
    pressure: Pressure,
    address: SocketAddr,
    scale: &Scale,
) -> io::Result<Vec<f64>> {
    let end = &AtomicBool::new(false);
    thread::scope(|scope| {
        let mut others = Vec::new();
        for number in 0..pressure.strangers() {
            others.push(scope.spawn(move || trouble(pressure, number, address, end)));
        }
        if pressure == Pressure::Bodies {
            let (ready, is_ready) = mpsc::channel();
            let count = scale.bodies;
            others.push(scope.spawn(move || begin_bodies(address, count, &ready, end)));
            let _failed = is_ready.recv();
        }
        thread::sleep(scale.settle);
        let times = call(address, scale);
        end.store(true, SeqCst);
        for other in others {
            other.join().map_err(|_panic| io::Error::other("a stranger panicked"))??;
        }
        times
    })
}
