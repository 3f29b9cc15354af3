//! Wall clock: one after the other in every round, in an order that rotates, so that what drifts,
//! drifts for all.

use std::time::Duration;

/// The times of each contender, round by round.
pub(crate) fn rounds(
    rounds: usize,
    contenders: &mut [Box<dyn FnMut(usize) -> Duration + '_>],
) -> Vec<Vec<f64>> {
    let count = contenders.len();
    let mut times = vec![vec![0.0; rounds]; count];
    for round in 0..rounds {
        for turn in 0..count {
            let index = (round + turn) % count;
            let contender = contenders.get_mut(index);
            let time = contender.map_or(Duration::ZERO, |contender| contender(round));
            if let Some(slot) = times.get_mut(index).and_then(|times| times.get_mut(round)) {
                *slot = time.as_secs_f64();
            }
        }
    }
    times
}

/// The median of the ratios of each round.
pub(crate) fn ratio(times: &[f64], bare: &[f64]) -> f64 {
    median(times.iter().zip(bare).map(|(time, bare)| time / bare).collect())
}

pub(crate) fn median(values: Vec<f64>) -> f64 {
    let [_, median, _] = quartiles(values);
    median
}

pub(crate) fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values.get(quarter * values.len() / 4).copied().unwrap_or(f64::NAN))
}
