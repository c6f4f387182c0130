//! The solvers by name: what `--solver` takes, what the addon takes, and what `docs/solvers.md` lists is this list.

use crate::{
    BackwardInduction, CornerBounds, Estimate, Exact, Faces, ModifiedPolicyIteration, Plans, PolicyIteration, Search,
    Solver, ValueIteration,
};

/// A solver that can be asked for by name.
pub struct Entry {
    /// Its name, as in [`Stats::solver`](crate::Stats::solver).
    pub name: &'static str,
    /// Other names that it answers to.
    pub aliases: &'static [&'static str],
    /// Which models it treats.
    pub treats: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    build: fn() -> Box<dyn Solver>,
}

impl Entry {
    /// The solver with its usual settings.
    pub fn build(&self) -> Box<dyn Solver> {
        (self.build)()
    }
}

/// All solvers but [`auto`](crate::auto), which picks among them.
pub const SOLVERS: &[Entry] = &[
    Entry {
        name: "search",
        aliases: &["point"],
        treats: "POMDPs, and APOMDPs with alpha 0; others it hands to `plans`",
        summary: "point-based search by trials: α-vectors below, a sawtooth of points above",
        source: "Smith and Simmons 2004 (HSVI); Kurniawati, Hsu, Lee 2008 (SARSOP)",
        build: || Box::new(Search::default()),
    },
    Entry {
        name: "exact",
        aliases: &[],
        treats: "POMDPs, and APOMDPs with alpha 0",
        summary: "incremental pruning: every α-vector that is best somewhere, stage by stage of a horizon; without one to the gap",
        source: "Cassandra, Littman, Zhang 1997",
        build: || Box::new(Exact::default()),
    },
    Entry {
        name: "faces",
        aliases: &[],
        treats: "POMDPs and APOMDPs whose beliefs keep to three states",
        summary: "certified triangulations of the faces on which beliefs lie",
        source: "this project; Lovejoy 1991 for the grids",
        build: || Box::new(Faces::default()),
    },
    Entry {
        name: "plans",
        aliases: &[],
        treats: "POMDPs and APOMDPs",
        summary: "plans of both players: lower bounds from the decision-maker's, upper from nature's",
        source: "this project",
        build: || Box::new(Plans::default()),
    },
    Entry {
        name: "estimate",
        aliases: &[],
        treats: "as faces",
        summary: "a fast value with hardly any proof",
        source: "Lovejoy 1991",
        build: || Box::new(Estimate::default()),
    },
    Entry {
        name: "corners",
        aliases: &[],
        treats: "POMDPs and APOMDPs",
        summary: "linear bounds alone: one plan below, the states seen above",
        source: "Hauskrecht 2000",
        build: || Box::new(CornerBounds),
    },
    Entry {
        name: "backward-induction",
        aliases: &[],
        treats: "MDPs and robust MDPs with a horizon",
        summary: "exact, stage by stage from the last",
        source: "Bellman 1957; robust: Iyengar 2005",
        build: || Box::new(BackwardInduction),
    },
    Entry {
        name: "modified-policy-iteration",
        aliases: &[],
        treats: "MDPs and robust MDPs without a horizon",
        summary: "sweeps over all actions, and cheap ones over the best in between",
        source: "Puterman and Shin 1978; robust: Kaufman and Schaefer 2013",
        build: || Box::new(ModifiedPolicyIteration::default()),
    },
    Entry {
        name: "value-iteration",
        aliases: &[],
        treats: "MDPs and robust MDPs without a horizon",
        summary: "sweeps over all actions",
        source: "Bellman 1957",
        build: || Box::new(ValueIteration),
    },
    Entry {
        name: "policy-iteration",
        aliases: &[],
        treats: "MDPs without a horizon, of few states",
        summary: "policies valued by linear equations",
        source: "Howard 1960",
        build: || Box::new(PolicyIteration::default()),
    },
];

/// The solver of this name, or of one of its aliases.
pub fn solver(name: &str) -> Option<Box<dyn Solver>> {
    SOLVERS.iter().find(|entry| entry.name == name || entry.aliases.contains(&name)).map(Entry::build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_solver_goes_by_its_own_name_and_no_name_means_two() {
        let mut names: Vec<&str> = vec!["auto"];
        for entry in SOLVERS {
            assert_eq!(entry.build().name(), entry.name);
            assert!(!entry.treats.is_empty() && !entry.summary.is_empty() && !entry.source.is_empty());
            names.extend(std::iter::once(&entry.name).chain(entry.aliases));
        }
        for name in &names[1..] {
            assert!(solver(name).is_some());
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(solver("auto").is_none() && solver("Search").is_none());
    }
}
