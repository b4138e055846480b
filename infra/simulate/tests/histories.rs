//! Histories that every change has to survive.
#![expect(clippy::expect_used, reason = "a test fails by stopping")]

use simulate::{STEPS, hunt, mutations::ALL, mutations::Proof, play};

/// Shorter than a long run's, for there are many.
const SHORT: u32 = 15;

fn survive(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let history = play(seed, SHORT, None).expect("a history");
        let story = || history.book.lines.join("\n");
        assert_eq!(history.wrong(), None, "--seed {seed} --histories 1 --steps {SHORT}\n{}", story());
    }
}

#[test]
fn a_hundred_histories_end_well() {
    survive(1..101);
}

#[test]
fn a_second_hundred_histories_end_well() {
    survive(101..201);
}

#[test]
fn a_third_hundred_histories_end_well() {
    survive(201..301);
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 5, 8] {
        let [first, second] = [(); 2].map(|()| play(seed, STEPS, None).expect("a history"));
        assert_eq!(first.book.lines, second.book.lines);
    }
}

#[test]
fn every_planted_bug_is_noticed_in_its_history() {
    for mutation in ALL {
        if let Proof::Seed(seed) = mutation.proof {
            let found = hunt(mutation, seed, 1, STEPS).expect("a history");
            assert!(found.is_some(), "{} is not noticed in the history of seed {seed}", mutation.name);
        }
    }
}

#[test]
fn names_of_planted_bugs_are_unique() {
    let mut names: Vec<&str> = ALL.iter().map(|mutation| mutation.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
}
