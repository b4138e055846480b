//! `simulate`: plays histories, or plants bugs to see whether they are noticed.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use simulate::{
    Failure, History, hunt,
    mutations::{ALL, Mutation, Proof},
    play,
    report::Totals,
};

const USAGE: &str = "simulate [--seed S] [--histories N] [--steps N] [--mutate [NAME]]
  --seed S         the first seed; history n has seed S + n (1)
  --histories N    how many (1000; with --mutate how many until a bug counts as not noticed, 300)
  --steps N        how many things are begun in a history (60)
  --mutate [NAME]  plants each bug, or the one of this name, until it is noticed";

/// What was asked for.
#[derive(Debug)]
struct Wish {
    seed: u64,
    histories: Option<u64>,
    steps: u32,
    mutate: Mutate,
}

/// What is to be planted.
#[derive(Debug)]
enum Mutate {
    Nothing,
    Everything,
    One(&'static Mutation),
}

impl Wish {
    fn parse(words: &[String]) -> Option<Self> {
        let mut wish = Self { seed: 1, histories: None, steps: simulate::STEPS, mutate: Mutate::Nothing };
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seed" => wish.seed = words.next()?.parse().ok()?,
                "--histories" => wish.histories = Some(words.next()?.parse().ok()?),
                "--steps" => wish.steps = words.next()?.parse().ok()?,
                "--mutate" => {
                    let name = words.next_if(|next| !next.starts_with("--"));
                    wish.mutate = match name {
                        Some(name) => Mutate::One(Mutation::named(name)?),
                        None => Mutate::Everything,
                    };
                }
                _ => return None,
            }
        }
        Some(wish)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(wish) = Wish::parse(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let outcome = match wish.mutate {
        Mutate::Nothing => play_all(&wish),
        Mutate::Everything => plant(&wish, ALL),
        Mutate::One(mutation) => plant(&wish, std::slice::from_ref(mutation)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Plays until something is wrong or all are played.
fn play_all(wish: &Wish) -> Result<bool, Failure> {
    #[expect(clippy::disallowed_methods, reason = "how long it took is told to people and decides nothing")]
    let begun = Instant::now();
    let mut totals = Totals::default();
    let histories = wish.histories.unwrap_or(1_000);
    for seed in wish.seed..wish.seed.saturating_add(histories) {
        let history = play(seed, wish.steps, None)?;
        totals.add(&history);
        if history.wrong().is_some() {
            tell(&history, wish.steps);
            return Ok(false);
        }
    }
    writeln!(io::stdout(), "{totals}\n{:>9}  seconds", begun.elapsed().as_secs())?;
    Ok(true)
}

/// The whole story of a history that went wrong.
fn tell(history: &History, steps: u32) {
    for line in &history.book.lines {
        eprintln!("{line}");
    }
    eprintln!();
    for wrong in &history.book.wrong {
        eprintln!("WRONG: {wrong}");
    }
    eprintln!("again: simulate --seed {} --histories 1 --steps {steps}", history.seed);
}

/// Plants bugs; each must be noticed, unless it is known that it cannot be.
fn plant(wish: &Wish, planted: &'static [Mutation]) -> Result<bool, Failure> {
    let histories = wish.histories.unwrap_or(300);
    let mut all_noticed = true;
    for mutation in planted {
        let found = hunt(mutation, wish.seed, histories, wish.steps)?;
        let line = match (found, mutation.proof) {
            (Some(found), _) => format!("{:>5}  seed {:<6} {}", found.histories, found.seed, found.wrong),
            (None, Proof::Equivalent(reason)) => format!("equivalent: {reason}"),
            (None, Proof::Tested(test)) => format!("has a test: {test}"),
            (None, Proof::Seed(_)) => {
                all_noticed = false;
                format!("NOT NOTICED in {histories} histories")
            }
        };
        writeln!(io::stdout(), "{:<38} {line}", mutation.name)?;
    }
    Ok(all_noticed)
}
