//! `cargo xtask bench instructions`: what the pure cores cost in instructions, beside what they cost when the baseline
//! was written. Callgrind counts them, so other load on the machine does not matter.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::cargo::{self, cargo, packages, root, text};
use crate::servers;

/// What is compared with, from the top of the checkout.
const BASELINE: &str = "benches/instructions.json";
/// The bench leaves out cases whose names do not contain the value of this variable.
const FILTER_VARIABLE: &str = "DYNOMITE_BENCH_FILTER";
/// The program that gungraun's benches call, in the package of the same name.
const RUNNER: &str = "gungraun-runner";
/// A case may cost this much more than its baseline, as a part of it.
const GROWTH_MAX: f64 = 0.05;

/// Counts the instructions of the cases whose names contain `filter`, and prints them beside the baseline; or writes
/// them into the baseline. Takes some minutes, and some more when gungraun's runner has to be installed first.
///
/// # Errors
/// When a case costs more than 5 % above its baseline, unless another compiler wrote that.
pub(crate) fn run(filter: Option<&str>, write_baseline: bool) -> Result<()> {
    servers::prepare_one("valgrind", "valgrind")?;
    let tools = prepare_runner()?;
    let filter = filter.unwrap_or_default();
    let cases = list(filter)?;
    ensure!(!cases.is_empty(), "no case has {filter:?} in its name");
    let measured = Measured { rustc: rustc_version()?, figures: measure(&cases, filter, &tools)? };
    let path = root().join(BASELINE);
    let baseline = Baseline::read(&path)?;
    print_table(&measured.figures, &baseline);
    if write_baseline {
        return baseline.with(measured, filter.is_empty())?.write(&path);
    }
    judge(&measured, &baseline, filter.is_empty())
}

/// A case, and how many elements one of its batches has.
#[derive(Debug, PartialEq)]
struct Case {
    name: String,
    elements: u64,
}

/// Instructions for each element, by case, in the order of the cases.
type Figures = Vec<(String, f64)>;

struct Measured {
    rustc: String,
    figures: Figures,
}

/// Finds gungraun's runner in the version of the library, or installs it below the target directory, which takes
/// minutes. Gives the directory that it lies in.
fn prepare_runner() -> Result<PathBuf> {
    // With the dependencies, of which the runner's own library is one.
    let output = cargo(["metadata", "--format-version=1", "--locked"]).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "cargo metadata failed: {}", output.status);
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let package = packages(&metadata)?.iter().find(|package| package["name"] == RUNNER);
    let version = text(package.with_context(|| format!("no package needs {RUNNER}"))?, "version")?;

    let tools = Path::new(text(&metadata, "target_directory")?).join("tools");
    let own = tools.join("bin");
    let found = [Some(own.join(RUNNER)), cargo::find_program(RUNNER)].into_iter().flatten();
    for program in found {
        if runner_version(&program).as_deref() == Some(version) {
            println!("{RUNNER}: {}", program.display());
            return Ok(program.parent().context("a program lies in a directory")?.to_owned());
        }
    }
    let tools = tools.to_str().context("the target directory's name is not UTF-8")?;
    let exact_version = format!("={version}");
    cargo::run(&mut cargo(["install", "--locked", RUNNER, "--version", &exact_version, "--root", tools]))?;
    Ok(own)
}

fn runner_version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.split_whitespace().last()?.to_owned())
}

fn rustc_version() -> Result<String> {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = command.arg("--version").current_dir(root()).output().context("cannot start rustc")?;
    ensure!(output.status.success(), "rustc --version failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The cases whose names contain `filter`, in the order in which the bench numbers them.
fn list(filter: &str) -> Result<Vec<Case>> {
    let output = standard_output(&mut cargo([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "dynomite-benches",
        "--",
        filter,
    ]))?;
    output.lines().map(parse_case).collect()
}

fn parse_case(line: &str) -> Result<Case> {
    let (elements, name) =
        line.split_once('\t').with_context(|| format!("the list of cases has {line:?}"))?;
    Ok(Case { name: name.to_owned(), elements: elements.parse()? })
}

fn measure(cases: &[Case], filter: &str, tools: &Path) -> Result<Figures> {
    println!("counting {} cases", cases.len());
    let mut bench = cargo([
        "bench",
        "--locked",
        "--package",
        "dynomite-benches",
        "--bench",
        "instructions",
        "--",
        "--output-format=json",
    ]);
    bench.env(FILTER_VARIABLE, filter).env("PATH", search_path(tools)?);
    let output = standard_output(&mut bench)?;
    let counts: BTreeMap<usize, u64> = output.lines().map(parse_count).collect::<Result<_>>()?;
    let count_of = |(index, case): (usize, &Case)| {
        let count = counts.get(&index).with_context(|| format!("{} was not counted", case.name))?;
        Ok((case.name.clone(), rounded(*count as f64 / case.elements as f64)))
    };
    cases.iter().enumerate().map(count_of).collect()
}

/// The present search path, with `first` before all others.
fn search_path(first: &Path) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths([first.to_owned()].into_iter().chain(env::split_paths(&path)))?)
}

/// A case's number and the instructions of one batch, out of one of gungraun's summaries.
fn parse_count(line: &str) -> Result<(usize, u64)> {
    let summary: Value = serde_json::from_str(line)?;
    let index = summary["id"].as_str().and_then(|id| id.strip_prefix("case_")?.parse().ok());
    let count = summary.pointer("/profiles/0/data/total/metrics/Ir/values/new").and_then(Value::as_u64);
    match (index, count) {
        (Some(index), Some(count)) => Ok((index, count)),
        _ => bail!("gungraun's summary has no number or no count of instructions: {line}"),
    }
}

/// Runs a command with its complaints on ours, and gives what it printed.
fn standard_output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?} failed: {}\n{printed}", output.status);
    Ok(printed)
}

/// To a tenth of an instruction.
fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

/// What was measured before, and by which compiler; other compilers make other instructions.
#[derive(Debug, Default, PartialEq)]
struct Baseline {
    rustc: String,
    figures: BTreeMap<String, f64>,
}

impl Baseline {
    /// Reads the file; an absent one is an empty baseline.
    fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let content = fs::read_to_string(path)?;
        Self::parse(&content).with_context(|| format!("{BASELINE} is not as this program writes it"))
    }

    fn parse(content: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(content)?;
        let figures = value["instructions"].as_object().context("no table of instructions")?;
        let figure = |(name, figure): (&String, &Value)| {
            Ok((name.clone(), figure.as_f64().with_context(|| format!("{name} has no number"))?))
        };
        Ok(Self {
            rustc: text(&value, "rustc")?.to_owned(),
            figures: figures.iter().map(figure).collect::<Result<_>>()?,
        })
    }

    /// The baseline with new figures: in place of all, or of those that were measured again.
    fn with(mut self, measured: Measured, is_all: bool) -> Result<Self> {
        if is_all {
            self.figures.clear();
        } else {
            let is_same = self.figures.is_empty() || self.rustc == measured.rustc;
            ensure!(is_same, "another compiler ({}) wrote the other figures: write all anew", self.rustc);
        }
        self.rustc = measured.rustc;
        self.figures.extend(measured.figures);
        Ok(self)
    }

    fn write(&self, path: &Path) -> Result<()> {
        let value = json!({ "rustc": self.rustc, "instructions": self.figures });
        fs::write(path, format!("{value:#}\n")).with_context(|| format!("cannot write {BASELINE}"))?;
        println!("wrote {BASELINE}");
        Ok(())
    }
}

fn print_table(figures: &Figures, baseline: &Baseline) {
    let width = figures.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    println!("\n{:<width$}{:>14}{:>14}{:>10}", "instructions, each", "baseline", "now", "change");
    for (name, now) in figures {
        match baseline.figures.get(name) {
            Some(before) => {
                let change = growth(*before, *now) * 100.0;
                println!("{name:<width$}{before:>14.1}{now:>14.1}{change:>+9.1}%");
            }
            None => println!("{name:<width$}{:>14}{now:>14.1}{:>10}", "–", "new"),
        }
    }
    println!();
}

/// By what part of it a figure has grown.
fn growth(before: f64, now: f64) -> f64 {
    now / before - 1.0
}

/// Fails for what has grown too much.
fn judge(measured: &Measured, baseline: &Baseline, is_all: bool) -> Result<()> {
    ensure!(!baseline.figures.is_empty(), "there is no baseline; --write-baseline makes one");
    if is_all {
        let is_gone = |name: &&String| !measured.figures.iter().any(|(known, _)| known == *name);
        for name in baseline.figures.keys().filter(is_gone) {
            println!("{name} is in the baseline and is not measured any more");
        }
    }
    if measured.rustc != baseline.rustc {
        println!(
            "not judged: this is {}, the baseline is of {}; --write-baseline writes it anew",
            measured.rustc, baseline.rustc
        );
        return Ok(());
    }
    let grown = grown(&measured.figures, &baseline.figures);
    let percent = GROWTH_MAX * 100.0;
    ensure!(grown.is_empty(), "more than {percent} % above the baseline: {}", grown.join(", "));
    Ok(())
}

/// The cases that are too far above their baseline.
fn grown<'a>(figures: &'a Figures, baseline: &BTreeMap<String, f64>) -> Vec<&'a str> {
    let is_grown = |(name, now): &&(String, f64)| {
        baseline.get(name).is_some_and(|before| growth(*before, *now) > GROWTH_MAX)
    };
    figures.iter().filter(is_grown).map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(rustc: &str, figures: &[(&str, f64)]) -> Baseline {
        let figures = figures.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect();
        Baseline { rustc: rustc.to_owned(), figures }
    }

    fn measured(rustc: &str, figures: &[(&str, f64)]) -> Measured {
        let figures = figures.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect();
        Measured { rustc: rustc.to_owned(), figures }
    }

    #[test]
    fn a_case_is_its_elements_and_its_name() {
        let case = Case { name: "ring/build".to_owned(), elements: 1024 };
        assert_eq!(parse_case("1024\tring/build").expect("a case"), case);
        assert!(parse_case("ring/build").is_err() && parse_case("many\tring/build").is_err());
    }

    #[test]
    fn instructions_are_read_from_the_total() {
        let total = r#""total":{"metrics":{"Dr":{"values":{"new":1}},"Ir":{"values":{"new":7,"old":8}}}}"#;
        let line = format!(r#"{{"id":"case_12","profiles":[{{"data":{{{total}}}}}]}}"#);
        assert_eq!(parse_count(&line).expect("a summary"), (12, 7));
        assert!(parse_count(&line.replace("Ir", "Ic")).is_err());
        assert!(parse_count(&line.replace("case_", "other_")).is_err());
    }

    #[test]
    fn more_than_the_limit_above_the_baseline_fails() {
        let before = baseline("1", &[("a", 100.0), ("b", 100.0)]);
        let judged = |a: f64, b: f64| judge(&measured("1", &[("a", a), ("b", b), ("c", 1.0)]), &before, true);
        assert!(judged(104.9, 50.0).is_ok());
        let error = judged(90.0, 105.1).expect_err("b has grown").to_string();
        assert!(error.ends_with(": b"), "{error}");
    }

    #[test]
    fn figures_of_another_compiler_are_not_judged() {
        let before = baseline("1", &[("a", 100.0)]);
        assert!(judge(&measured("2", &[("a", 200.0)]), &before, true).is_ok());
        assert!(judge(&measured("1", &[("a", 200.0)]), &before, true).is_err());
        assert!(judge(&measured("1", &[("a", 1.0)]), &Baseline::default(), true).is_err());
    }

    #[test]
    fn part_of_a_baseline_is_replaced_by_figures_of_the_same_compiler_alone() {
        let before = || baseline("1", &[("a", 1.0), ("b", 2.0)]);
        let part = before().with(measured("1", &[("b", 3.0)]), false).expect("the same compiler");
        assert_eq!(part, baseline("1", &[("a", 1.0), ("b", 3.0)]));
        assert!(before().with(measured("2", &[("b", 3.0)]), false).is_err());
        let all = before().with(measured("2", &[("b", 3.0)]), true).expect("all are new");
        assert_eq!(all, baseline("2", &[("b", 3.0)]));
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let before = baseline("rustc 1", &[("a", 1.5)]);
        let content = json!({ "rustc": before.rustc, "instructions": before.figures }).to_string();
        assert_eq!(Baseline::parse(&content).expect("a baseline"), before);
        assert!(Baseline::parse("{}").is_err());
    }
}
