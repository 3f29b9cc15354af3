//! `with-postgres COMMAND ARGUMENT…`: starts the command with a PostgreSQL server of its own, whose URL is in
//! `TEST_DATABASE_URL`. Without such a server nothing is started, and a line says so.

use std::{
    env,
    process::{Command, ExitCode},
};

use store_harness::{Failure, Postgres};

fn run() -> Result<bool, Failure> {
    let mut arguments = env::args_os().skip(1);
    let command = arguments.next().ok_or("usage: with-postgres COMMAND ARGUMENT…")?;
    let Some(server) = Postgres::start()? else { return Ok(true) };
    let status =
        Command::new(command).args(arguments).env("TEST_DATABASE_URL", server.url()).status()?;
    Ok(status.success())
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("with-postgres: {error}");
            ExitCode::FAILURE
        }
    }
}
