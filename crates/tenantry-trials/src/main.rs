//! `cargo xtask simulate`: runs trials, one seed after the other, and says how to run a failing one again.
//!
//! Speaks on standard output and ends with status 1 where a trial failed or a state was never reached.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use tenantry_trials::{Sighting, Sightings, Trial, Verdict, replay, run, shrink};

const USAGE: &str =
    "usage: cargo xtask simulate [--seeds N] [--from S] | --seed S [--without PART,...] [--shrink] [--trace] | --planted [NAME]
  --seeds N       run N trials (200 without), from seed S on (0 without)
  --seed S        run one trial
  --without ...   leave out parts of it: names of groups of faults, `round:N`, `beside:N`, `crash:N`, `step:N`
  --shrink        make failing trials small
  --trace         print the course of the trial
  --planted NAME  plant this defect (several: with commas), and find the first seed that shows it, from S on; with --seed: try that one,
                  and with --trace: print the course of the trial with it
  --planted       do so for every defect, and keep the table of the seeds";

struct Order {
    seeds: u64,
    from: u64,
    one: bool,
    without: BTreeSet<String>,
    shrinks: bool,
    traces: bool,
    /// The defect to plant; an empty name for each of them.
    planted: Option<String>,
}

fn order(arguments: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut arguments = arguments.peekable();
    let without = BTreeSet::new();
    let mut order =
        Order { seeds: 200, from: 0, one: false, without, shrinks: false, traces: false, planted: None };
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--shrink" => order.shrinks = true,
            "--trace" => order.traces = true,
            "--planted" => {
                let name = arguments.next_if(|name| !name.starts_with("--"));
                order.planted = Some(name.unwrap_or_default());
            }
            _ => {
                let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
                let number = || value.parse::<u64>().map_err(|_| format!("{name}: {value:?} is no number"));
                match name.as_str() {
                    "--seeds" => order.seeds = number()?,
                    "--from" => order.from = number()?,
                    "--seed" => (order.from, order.seeds, order.one) = (number()?, 1, true),
                    "--without" => order.without = value.split(',').map(str::to_owned).collect(),
                    _ => return Err(format!("unknown argument {name}")),
                }
            }
        }
    }
    Ok(order)
}

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let order = match order(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(error) => {
            let _ = writeln!(out, "{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let performed = match &order.planted {
        Some(name) => plant(name, &order, &mut out),
        None => perform(&order, &mut out),
    };
    match performed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// True when all is well.
fn perform(order: &Order, out: &mut impl Write) -> std::io::Result<bool> {
    let mut sightings = Sightings::default();
    let mut failed = 0;
    for seed in order.from..order.from + order.seeds {
        let verdict = run(&Trial::new(seed, &order.without), order.traces);
        sightings.add(&verdict.sightings);
        if let Some(trace) = &verdict.trace {
            out.write_all(trace.as_bytes())?;
        }
        if order.one {
            writeln!(out, "digest {:016x}", verdict.digest)?;
        }
        if !verdict.violations.is_empty() {
            failed += 1;
            tell(seed, &verdict, order, out)?;
        }
    }
    let missing = if order.one { Vec::new() } else { sightings.missing() };
    for sighting in Sighting::all().filter(|_| !order.one) {
        writeln!(out, "{:>8}  {}", sightings.count(sighting), sighting.name())?;
    }
    for sighting in &missing {
        writeln!(out, "never reached: {}", sighting.name())?;
    }
    writeln!(out, "{} trials, {failed} failed", order.seeds)?;
    Ok(failed == 0 && missing.is_empty())
}

fn tell(seed: u64, verdict: &Verdict, order: &Order, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "seed {seed} fails:")?;
    for violation in verdict.violations.iter().take(5) {
        writeln!(out, "  {}: {}", violation.invariant, violation.found)?;
    }
    let mut without = order.without.clone();
    if order.shrinks && without.is_empty() {
        without = shrink(seed).unwrap_or_default();
    }
    writeln!(out, "  again: {}", replay(seed, &without))?;
    out.flush()
}

/// Plants defects; true when each was shown.
#[cfg(feature = "planted-defects")]
fn plant(name: &str, order: &Order, out: &mut impl Write) -> std::io::Result<bool> {
    use tenantry_replication::defects::Defect;
    use tenantry_trials::planted::{Catch, SEEDS, TABLE, hunt, table, try_seed};

    let names: Vec<&str> = name.split(',').collect();
    if order.one && order.traces {
        tenantry_replication::defects::plant(
            Defect::ALL.iter().copied().find(|defect| defect.name() == name),
        );
        return perform(order, out);
    }
    let is_chosen = |defect: &Defect| name.is_empty() || names.contains(&defect.name());
    let chosen: Vec<Defect> = Defect::ALL.iter().copied().filter(is_chosen).collect();
    let seeds = order.from..if order.one { order.from + 1 } else { SEEDS };
    let catches = if order.one {
        chosen.iter().filter_map(|defect| try_seed(*defect, order.from)).collect()
    } else {
        let mut told = Ok(());
        let tell = |found: &Catch| told = writeln!(out, "{}", found.line()).and_then(|()| out.flush());
        let catches = hunt(&chosen, seeds.clone(), tell);
        told?;
        catches
    };
    if order.one {
        catches.iter().try_for_each(|found: &Catch| writeln!(out, "{}", found.line()))?;
    }
    for defect in chosen.iter().filter(|defect| catches.iter().all(|catch| catch.defect != **defect)) {
        writeln!(out, "{} is not shown by seeds {seeds:?}", defect.name())?;
    }
    writeln!(out, "{} defects planted, {} shown", chosen.len(), catches.len())?;
    let all = !chosen.is_empty() && catches.len() == chosen.len();
    if all && name.is_empty() && !order.one {
        std::fs::write(TABLE, table(&catches))?;
    }
    Ok(all)
}

/// Says that this build holds no defects.
#[cfg(not(feature = "planted-defects"))]
fn plant(_name: &str, _order: &Order, out: &mut impl Write) -> std::io::Result<bool> {
    writeln!(out, "this build holds no defects: it needs the feature planted-defects")?;
    Ok(false)
}
