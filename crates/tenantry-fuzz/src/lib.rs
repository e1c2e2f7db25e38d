//! Targets for fuzzing: one for each thing that reads bytes from outside.
//!
//! A target takes any bytes and panics where a promise is broken: it must come to an end, must not panic inside, and must agree with an
//! independent reader where there is one. `fuzz/` gives them to libFuzzer; the tests give each some thousand inputs made from its seeds.
//! Tenantry takes no webhooks, so that there is no target for their bodies.

mod answers;
mod bodies;
mod seeds;
mod texts;

/// A decoder under fuzzing.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, also that of its program in `fuzz/`.
    pub name: &'static str,
    /// Gives it an input.
    ///
    /// # Panics
    /// Where a promise is broken.
    pub run: fn(&[u8]),
    /// Inputs of the shapes that it meets in earnest.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "page", run: bodies::page, seeds: seeds::pages },
    Target { name: "lines", run: bodies::lines, seeds: seeds::lines },
    Target { name: "log", run: answers::log, seeds: seeds::log },
    Target { name: "list", run: answers::list, seeds: seeds::lists },
    Target { name: "users", run: answers::users, seeds: seeds::users },
    Target { name: "export", run: answers::export, seeds: seeds::exports },
    Target { name: "feed", run: answers::feed, seeds: seeds::feed },
    Target { name: "token", run: answers::token, seeds: seeds::tokens },
    Target { name: "timestamp", run: texts::timestamp, seeds: seeds::timestamps },
    Target { name: "config", run: texts::config, seeds: seeds::configs },
    Target { name: "selection", run: texts::selection, seeds: seeds::selections },
];

/// Gives an input to the target of that name.
///
/// # Panics
/// Where a promise is broken, and where there is no such target.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    (target.run)(input);
}
