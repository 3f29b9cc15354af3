//! What the drivers share: they read jobs as JSON from standard input and answer one JSON line for
//! each.

use std::{error::Error, io};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct Numbered<J> {
    id: u64,
    #[serde(flatten)]
    job: J,
}

#[derive(Serialize)]
struct Answer {
    id: u64,
    outcome: &'static str,
    detail: String,
}

/// What became of a job, unless the library could not even ask.
pub enum Outcome {
    Accepted,
    Refused(String),
}

pub type Done = Result<Outcome, Box<dyn Error>>;

pub async fn drive<J: DeserializeOwned>(
    attempt: impl AsyncFn(&J) -> Done,
) -> Result<(), Box<dyn Error>> {
    let jobs: Vec<Numbered<J>> = serde_json::from_reader(io::stdin())?;
    for Numbered { id, job } in jobs {
        let (outcome, detail) = match attempt(&job).await {
            Ok(Outcome::Accepted) => ("accepted", String::new()),
            Ok(Outcome::Refused(detail)) => ("refused", detail),
            // What a library cannot send is a result, too; the table has to know why.
            Err(error) => ("unable", error.to_string()),
        };
        println!("{}", serde_json::to_string(&Answer { id, outcome, detail })?);
    }
    Ok(())
}
