//! Counts, and takes times.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    rows::{Job, Outcome, Replay, Row},
    setup::prepare,
    support::{BoxError, redis::Redis, wall},
};

/// Instructions of each job, but for those that need a Redis.
pub(super) fn count(jobs: &[Job]) -> Result<Vec<Option<f64>>, BoxError> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(3).unwrap_or(Path::new("target")).join("price");
    let _none_yet = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let out = folder.join("out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--cache-sim=no"])
        .args(["--zero-before=price::run::counted", "--dump-after=price::run::counted"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(&program)
        .arg("--count")
        .env("LD_BIND_NOW", "1")
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let mut asked = 0;
    let counts = jobs.iter().map(|(row, _)| {
        if *row == Row::Replay(Replay::Redis) {
            return Ok(None);
        }
        asked += 2;
        let path = PathBuf::from(format!("{}.{asked}", out.display()));
        let profile =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
        let total = total.and_then(|total| total.trim().parse().ok());
        Ok(Some(total.ok_or_else(|| format!("{} has no total", path.display()))?))
    });
    let counts = counts.collect();
    fs::remove_dir_all(&folder)?;
    counts
}

/// Seconds per request of each job, and the medians of their ratios to the first refusal.
pub(super) fn time(jobs: &[Job], rounds: usize) -> Result<Vec<Option<(f64, f64)>>, BoxError> {
    let redis = Redis::start().inspect_err(|error| eprintln!("no Redis: {error}")).ok();
    let mut runs = Vec::new();
    for job in jobs {
        let Some(mut run) = prepare(job, redis.as_ref())? else {
            runs.push(None);
            continue;
        };
        run(1);
        let calls = if job.0 == Row::Replay(Replay::Redis) {
            32
        } else {
            let once = run(1).as_secs_f64().max(1e-7);
            (1e-4 / once).clamp(1.0, 100.0) as usize
        };
        runs.push(Some((run, calls)));
    }
    let mut contenders: Vec<_> = runs
        .iter_mut()
        .flatten()
        .map(|(run, calls)| -> Box<dyn FnMut(usize) -> Duration + '_> {
            // The one before has left the caches to others: the first of a row would pay for it.
            Box::new(|_| {
                run(1);
                run(*calls).div_f64(*calls as f64)
            })
        })
        .collect();
    let times = wall::rounds(rounds, &mut contenders);
    drop(contenders);
    let bare = jobs.iter().position(|(_, outcome)| *outcome == Outcome::Wrong);
    let bare = bare.and_then(|bare| times.get(bare)).cloned().unwrap_or_default();
    let mut times = times.into_iter();
    Ok(runs
        .iter()
        .map(|run| {
            let times = run.as_ref().and_then(|_| times.next())?;
            let ratio = wall::ratio(&times, &bare);
            Some((wall::median(times), ratio))
        })
        .collect())
}

/// What was measured, job by job.
pub(super) struct Measured {
    pub(super) jobs: Vec<Job>,
    pub(super) counts: Vec<Option<f64>>,
    pub(super) times: Vec<Option<(f64, f64)>>,
}

impl Measured {
    pub(super) fn of<T: Copy>(
        &self,
        values: &[Option<T>],
        row: &Row,
        outcome: Outcome,
    ) -> Option<T> {
        let found = |job: &Job| job.0 == *row && job.1 == outcome;
        values.get(self.jobs.iter().position(found)?).copied().flatten()
    }

    pub(super) fn count(&self, row: &Row, outcome: Outcome) -> Option<f64> {
        self.of(&self.counts, row, outcome)
    }

    pub(super) fn refused_basic(&self) -> f64 {
        let first = self.jobs.iter().zip(&self.times).find(|(job, _)| job.1 == Outcome::Wrong);
        first.and_then(|(_, time)| *time).map_or(f64::NAN, |(time, _)| time)
    }
}
