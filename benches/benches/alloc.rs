//! Calls of the allocator, and bytes: exact, on every machine.
//!
//! `cargo bench -p benches --bench alloc` needs nothing else. With the feature `jwt` it counts
//! assertions, too.

#[expect(clippy::allow_attributes, reason = "each bench uses another part")]
#[allow(dead_code)]
mod support;

use std::process::ExitCode;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
#[cfg(feature = "jwt")]
use support::assertions::{Alg, What};
use support::{
    budget, clients, crowd, drive,
    report::{self, Goal},
    stack::Stack,
    work::{Case, Shape},
};

const CLIENTS: u64 = 100;
const KIB: usize = 1024;

/// One request, from the call to the last byte of the answer.
fn request(stack: Stack, case: Case, shape: Shape) -> AllocationInfo {
    let mut program = drive::in_process(stack, CLIENTS);
    for n in [1, 2] {
        program(case.request(n, CLIENTS, shape));
    }
    let request = case.request(1, CLIENTS, shape);
    measure(|| {
        program(request);
    })
}

/// What is held for a request that declares `length` bytes, sends `received` and stops: bytes on
/// the heap without those received, and the size of the future.
fn waiting(stack: Stack, length: usize, received: usize) -> (i64, usize) {
    let mut program = drive::waiting(stack, CLIENTS);
    let request = || {
        let mut request = Case::Basic.request(1, CLIENTS, Shape::Long(length));
        let body = request.body_mut();
        body.frames.clear();
        body.frames.extend((received > 0).then(|| Bytes::from(vec![b'a'; received])));
        body.stalled = true;
        request
    };
    drop(program(request()));
    let request = request();
    let mut kept = None;
    let info = measure(|| kept = Some(program(request)));
    (info.bytes_current, kept.map_or(0, |(_, size)| size))
}

/// Bytes that each of many clients takes, its part of the table included, as they are asked for: what the
/// allocator adds to a chunk is its own.
fn per_client<T>(store: impl Fn(u64) -> T) -> i64 {
    const MANY: u32 = 100_000;
    let mut kept = None;
    let info = measure(|| kept = Some(store(MANY.into())));
    info.bytes_current / i64::from(MANY)
}

fn memory_per_client() -> i64 {
    per_client(|count| clients::memory(clients::basic(count)))
}

/// In percent.
const TOLERANCE: f64 = 0.0;

fn main() -> ExitCode {
    println!("Calls of the allocator (bytes) per request, form of 300 bytes\n");
    print!("{:<16}", "");
    Case::ALL.iter().for_each(|case| print!(" {:>12}", case.name()));
    println!(" {:>14} {:>14} {:>14}", "64 KiB", "64 KiB, fields", "64 KiB, crumbs");
    for stack in [
        Stack::Collect,
        Stack::HeaderOnly,
        Stack::Floor,
        Stack::Layer,
        Stack::LayerSha256,
        Stack::LayerBoxed,
        Stack::Axum,
        Stack::AxumFloor,
        Stack::AxumLayer,
        Stack::AxumHand,
    ] {
        print!("{:<16}", stack.name());
        for case in Case::ALL {
            let info = request(stack, case, Shape::Usual);
            let bytes = format!("({})", info.bytes_total);
            print!(" {:>5} {bytes:>6}", info.count_total);
        }
        for shape in [Shape::Long(64 * KIB), Shape::Many(64 * KIB), Shape::Crumbs(64 * KIB)] {
            let info = request(stack, Case::Basic, shape);
            let bytes = format!("({})", info.bytes_total);
            print!(" {:>5} {bytes:>8}", info.count_total);
        }
        println!();
    }

    println!("\nBytes held for a request that waits for its body, without those received\n");
    println!(
        "{:<16} {:>10} {:>10} {:>10} {:>10}",
        "", "future", "1 of 300", "1 of 64 K", "32 of 64 K"
    );
    for stack in [
        Stack::Collect,
        Stack::Floor,
        Stack::Layer,
        Stack::Axum,
        Stack::AxumFloor,
        Stack::AxumLayer,
        Stack::AxumHand,
    ] {
        let (small, size) = waiting(stack, 300, 1);
        let (large, _) = waiting(stack, 64 * KIB, 1);
        let (half, _) = waiting(stack, 64 * KIB, 32 * KIB);
        println!("{:<16} {size:>10} {small:>10} {large:>10} {half:>10}", stack.name());
    }
    println!("\nBytes per client: an id of 36 bytes, a secret of 43, 100000 clients\n");
    println!("{:<16} {:>5}", "bare map", per_client(crowd::map));
    println!("{:<16} {:>5}", "memory", memory_per_client());
    #[cfg(feature = "cache")]
    println!(
        "{:<16} {:>5}",
        "cached",
        per_client(|count| clients::cached(count, clients::basic(count)))
    );
    let held = budget::check("alloc", TOLERANCE, &budgets())
        & budget::check("alloc of a throttle", TOLERANCE, &throttled());
    #[cfg(feature = "jwt")]
    let held = budget::check("alloc of assertions", TOLERANCE, &assertions()) & held;
    report::verdict(report::goals(&goals()) & held)
}

#[cfg(feature = "jwt")]
fn assertions() -> Vec<(String, u64)> {
    println!("\nCalls of the allocator (bytes) per request with an assertion\n");
    let mut counts = Vec::new();
    for alg in Alg::ALL {
        print!("{:<16}", alg.name());
        for what in [What::Secret, What::Right, What::WrongSignature, What::UnknownClient] {
            let info = support::assertions::prepare(alg, what).map(measure);
            let (calls, bytes) = info.map_or((0, 0), |info| (info.count_total, info.bytes_total));
            print!("  {}: {calls} ({bytes})", what.name());
            counts.push((format!("{}, {}, calls", alg.name(), what.name()), calls));
            counts.push((format!("{}, {}, bytes", alg.name(), what.name()), bytes));
        }
        println!();
    }
    counts
}

/// The layer that knows the address of its peer, without and with a throttle.
fn throttled() -> Vec<(String, u64)> {
    let mut counts = Vec::new();
    for stack in [Stack::LayerPeer, Stack::LayerThrottled] {
        for case in [Case::Basic, Case::WrongFirst] {
            let info = request(stack, case, Shape::Usual);
            counts.push((format!("{}, {}, calls", stack.name(), case.name()), info.count_total));
            counts.push((format!("{}, {}, bytes", stack.name(), case.name()), info.bytes_total));
        }
    }
    counts
}

/// What is compared with the budget.
fn budgets() -> Vec<(String, u64)> {
    let mut counts = Vec::new();
    for stack in [Stack::Layer, Stack::AxumLayer] {
        for case in [Case::Basic, Case::Post, Case::Public, Case::WrongFirst, Case::Unknown] {
            let info = request(stack, case, Shape::Usual);
            counts.push((format!("{}, {}, calls", stack.name(), case.name()), info.count_total));
            counts.push((format!("{}, {}, bytes", stack.name(), case.name()), info.bytes_total));
        }
        let (held, size) = waiting(stack, 300, 1);
        counts.push((format!("{}, waiting, bytes", stack.name()), held.unsigned_abs()));
        if stack == Stack::Layer {
            counts.push(("layer, size of the future".to_owned(), size as u64));
        }
    }
    counts.push(("memory, bytes per client".to_owned(), memory_per_client().unsigned_abs()));
    counts
}

fn goals() -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut goal = |name, what: String, value, must, target| {
        goals.push(Goal { name, what, value, must, target });
    };
    let calls = |stack, case, shape| request(stack, case, shape).count_total as f64;
    let bytes = |stack, case, shape| request(stack, case, shape).bytes_total as f64;
    for case in [Case::Basic, Case::Post, Case::Public, Case::WrongFirst, Case::Unknown] {
        let over =
            calls(Stack::Layer, case, Shape::Usual) - calls(Stack::Collect, case, Shape::Usual);
        let target = if case.status().is_success() { 5.0 } else { 4.0 };
        goal(
            "allocations",
            format!("allocator calls over the bare service, {}", case.name()),
            over,
            6.0,
            target,
        );
    }
    for case in [Case::Basic, Case::WrongFirst] {
        let over = bytes(Stack::LayerThrottled, case, Shape::Usual)
            - bytes(Stack::LayerPeer, case, Shape::Usual);
        goal("throttle", format!("bytes that a throttle adds, {}", case.name()), over, 0.0, 0.0);
    }
    for case in Case::RIGHT {
        let over =
            bytes(Stack::Layer, case, Shape::Usual) - bytes(Stack::Collect, case, Shape::Usual);
        goal(
            "allocated bytes",
            format!("bytes allocated over the bare service, {}", case.name()),
            over,
            800.0,
            500.0,
        );
    }
    let usual = calls(Stack::Layer, Case::Basic, Shape::Usual);
    let many = calls(Stack::Layer, Case::Basic, Shape::Many(64 * KIB)) - usual;
    goal(
        "many fields",
        "calls for 64 KiB of many fields, over those for 300 bytes".to_owned(),
        many,
        4.0,
        3.0,
    );
    for (shape, name) in [(Shape::Long(64 * KIB), "8 KiB"), (Shape::Crumbs(64 * KIB), "64 bytes")] {
        let all = bytes(Stack::Layer, Case::Basic, shape) - 2048.0;
        goal(
            "large body",
            format!("(bytes allocated for 64 KiB in frames of {name} - 2 KiB) / 64 KiB"),
            all / 65536.0,
            2.0,
            1.1,
        );
    }
    for (length, received) in [(300, 1), (64 * KIB, 1), (64 * KIB, 32 * KIB)] {
        let over = waiting(Stack::AxumLayer, length, received).0
            - waiting(Stack::Axum, length, received).0;
        goal(
            "waiting body",
            format!("KiB held over bare axum, {received} of {length} bytes here"),
            over as f64 / 1024.0,
            1.2,
            0.8,
        );
    }
    #[cfg(feature = "documents")]
    {
        let [document, cached] = [Stack::LayerDocuments, Stack::LayerCachedUrls]
            .map(|stack| calls(stack, Case::Document, Shape::Usual));
        let what = "allocator calls more than for a cached client".to_owned();
        goal("documents", what, document - cached, 0.0, 0.0);
    }
    let boxed = calls(Stack::LayerBoxed, Case::Basic, Shape::Usual) - usual;
    goal(
        "boxed provider",
        "allocator calls more with a boxed provider".to_owned(),
        boxed,
        1.0,
        1.0,
    );
    let digest = calls(Stack::LayerSha256, Case::Basic, Shape::Usual) - usual;
    goal(
        "SHA-256 at rest",
        "allocator calls more with SHA-256 at rest".to_owned(),
        digest,
        0.0,
        0.0,
    );
    goals
}
