//! The checks that `make fuzz` runs for as long as it is told to: here for each input of the corpora, and for inputs that
//! proptest makes up.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use kit::oracle::{TARGETS, Target};
use kit::servers::project;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::Index;
use proptest::test_runner::{RngSeed, TestRunner};

/// Inputs that are made up for each check: they take about a second. A signature costs as much as many of the others.
const CASES: u32 = 2000;
const CASES_WITH_SIGNATURES: u32 = 500;

/// Bytes of the largest input that is made up.
const BYTES: usize = 300;

fn target(name: &str) -> Target {
    *TARGETS.iter().find(|(other, ..)| *other == name).expect("a target")
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(project("fuzz/corpus").join(name)).expect("a corpus");
    files.map(|file| file.expect("a file").path()).collect()
}

/// Each input of the corpus passes, and together they come as far as inputs can.
fn replay(name: &str) {
    let (_, check, all) = target(name);
    let mut reached = BTreeSet::new();
    for path in corpus(name) {
        let input = fs::read(&path).expect("an input");
        println!("{}", path.display());
        reached.insert(check(&input));
    }
    assert_eq!(reached, BTreeSet::from_iter(all.iter().copied()), "fuzz/corpus/{name}");
}

fn make_up(name: &str) {
    let (_, check, _) = target(name);
    let cases = if ["token", "jwks"].contains(&name) { CASES_WITH_SIGNATURES } else { CASES };
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    };
    let known: Vec<Vec<u8>> = corpus(name).iter().map(|path| fs::read(path).expect("an input")).collect();
    let changed =
        (any::<Index>(), vec((any::<Index>(), 0..4_usize, any::<Index>(), vec(any::<u8>(), 0..4)), 0..4))
            .prop_map(move |(first, changes)| changed(&known, first, &changes));
    let inputs = prop_oneof![vec(any::<u8>(), 0..BYTES), changed];
    let result = TestRunner::new(config).run(&inputs, |bytes| {
        check(&bytes);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// A change of an input: where, how many bytes it takes away, the input whose end it puts there, or else these bytes.
type Change = (Index, usize, Index, Vec<u8>);

/// A known input with changes.
fn changed(known: &[Vec<u8>], first: Index, changes: &[Change]) -> Vec<u8> {
    let mut input = first.get(known).clone();
    for (at, removed, other, new) in changes {
        let at = at.index(input.len().saturating_add(1));
        let end = at.saturating_add(*removed).min(input.len());
        if new.is_empty() {
            let other = other.get(known);
            input.splice(at.., other.get(at..).unwrap_or(other).iter().copied());
        } else {
            input.splice(at..end, new.iter().copied());
        }
    }
    input
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(mod $name {
            #[test]
            fn each_input_of_the_corpus_passes() {
                super::replay(stringify!($name));
            }

            #[test]
            fn made_up_inputs_pass() {
                super::make_up(stringify!($name));
            }
        })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! { configuration token jwks batch path places json ticket }

#[test]
fn every_target_is_here_and_in_fuzz() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, NAMES);
    let manifest = fs::read_to_string(project("fuzz/Cargo.toml")).expect("fuzz/Cargo.toml");
    let bins: Vec<&str> =
        manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|bin| bin.split('"').next()).collect();
    assert_eq!(bins, NAMES);
}

/// The packages in a Cargo.lock: the name and the version of each.
fn packages(lock: &str) -> BTreeSet<(String, String)> {
    let lock = fs::read_to_string(project(lock)).expect("a Cargo.lock");
    let value = |package: &str, name: &str| {
        package
            .split_once(&format!("{name} = \""))
            .and_then(|(_, rest)| rest.split('"').next())
            .map(str::to_owned)
    };
    let packages = lock.split("[[package]]").skip(1);
    packages.filter_map(|package| Some((value(package, "name")?, value(package, "version")?))).collect()
}

#[test]
fn what_is_fuzzed_is_what_is_shipped() {
    let (ours, fuzzed) = (packages("Cargo.lock"), packages("fuzz/Cargo.lock"));
    // libFuzzer, and what runs the compiler of C++ for it.
    let of_fuzz: Vec<&str> = fuzzed.difference(&ours).map(|(name, _)| name.as_str()).collect();
    assert_eq!(of_fuzz, ["fuzz", "jobserver", "libfuzzer-sys"], "copy the versions of Cargo.lock");
}
