//! Trajectories are checked, chosen from, written and read back.

use std::fs;

use proptest::prelude::*;
use serde_json::json;
use tiresias_data::{Columns, DataError, NOTHING, Trajectories, file};
use tiresias_fuzz::{Random, broken};
use tiresias_model::Space;

fn spaces() -> (Space, Space) {
    (Space::named("observations", ["a", "b", "c"]).unwrap(), Space::unnamed("actions", 2).unwrap())
}

fn some() -> impl Strategy<Value = Trajectories> {
    let step = (-1_i32..3, 0_u8..2, -1e300_f64..1e300, 0.01_f64..=1.0);
    let episode = (prop::collection::vec(step, 1..6), -1_i32..3, any::<bool>(), 0_u32..3);
    (prop::collection::vec(episode, 1..10), any::<[bool; 3]>()).prop_map(
        |(episodes, [propensities, tasks, origins])| {
            let mut columns = Columns { offsets: vec![0], ..Columns::default() };
            for (index, (steps, last, terminated, task)) in episodes.into_iter().enumerate() {
                for (seen, action, reward, p) in steps {
                    columns.observations.push(seen);
                    columns.actions.push(action);
                    columns.rewards.push(reward);
                    columns.propensities.extend(propensities.then_some(p));
                }
                columns.offsets.push(columns.actions.len());
                columns.last.push(last);
                columns.terminated.push(terminated);
                columns.tasks.extend(tasks.then_some(task));
                columns.origins.extend(origins.then_some(index as u64 * 7));
            }
            let (observations, actions) = spaces();
            Trajectories::new(observations, actions, columns).unwrap()
        },
    )
}

fn columns() -> Columns {
    Columns {
        offsets: vec![0, 2, 3],
        observations: vec![0, 1, 2],
        actions: vec![0, 1, 0],
        rewards: vec![1.0, 2.0, 4.0],
        last: vec![NOTHING, 0],
        terminated: vec![true, false],
        ..Columns::default()
    }
}

fn made(columns: Columns) -> Result<Trajectories, DataError> {
    let (observations, actions) = spaces();
    Trajectories::new(observations, actions, columns)
}

#[test]
fn columns_that_make_no_sense_are_refused() {
    assert_eq!(made(columns()).unwrap().episode(0).discounted_return(0.5), 2.0);
    let with = |change: fn(&mut Columns)| {
        let mut columns = columns();
        change(&mut columns);
        made(columns).unwrap_err().to_string()
    };
    assert!(with(|c| c.offsets = vec![0, 2, 2, 3]).contains("offsets"));
    assert!(with(|c| c.offsets = vec![0]).contains("at least one episode"));
    assert_eq!(with(|c| c.rewards.truncate(2)), "rewards: 2 entries where 3 are needed");
    assert_eq!(with(|c| c.propensities = vec![1.0]), "propensities: 1 entries where 3 are needed");
    assert_eq!(with(|c| c.observations[1] = 3), "step 1 of episode 0: observation 3 is not below 3, or -1");
    assert_eq!(with(|c| c.last[1] = -2), "step 1 of episode 1: observation -2 is not below 3, or -1");
    assert_eq!(with(|c| c.actions[2] = 2), "step 0 of episode 1: action 2 is not below 2");
    assert_eq!(with(|c| c.rewards[0] = f64::NAN), "step 0 of episode 0: reward NaN is not a finite number");
    assert_eq!(
        with(|c| c.propensities = vec![1.0, 0.0, 1.0]),
        "step 1 of episode 0: propensity 0 is not above 0 and at most 1"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(all in some(), note in ".*") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        file::save(&all, json!({ "note": note }), &path).unwrap();
        let (again, source) = file::load(&path).unwrap();
        prop_assert_eq!(again.columns(), all.columns());
        prop_assert_eq!(source.clone(), json!({ "note": note }));
        let bytes = fs::read(&path).unwrap();
        file::save(&again, source, &path).unwrap();
        prop_assert_eq!(fs::read(&path).unwrap(), bytes);
        prop_assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn chosen_episodes_are_the_ones_named(all in some(), chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..20)) {
        let chosen: Vec<usize> = chosen.iter().map(|index| index.index(all.len())).collect();
        let some = all.select(&chosen);
        prop_assert_eq!(some.len(), chosen.len());
        for (index, &from) in chosen.iter().enumerate() {
            prop_assert_eq!(some.episode(index), all.episode(from));
        }
        let (observations, actions) = spaces();
        prop_assert!(Trajectories::new(observations, actions, some.columns().clone()).is_ok());
    }

    #[test]
    fn damaged_files_are_read_or_refused(all in some(), seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        file::save(&all, json!(null), &path).unwrap();
        let whole = fs::read(&path).unwrap();
        for case in 0..8 {
            fs::write(&path, broken(&mut Random::new(seed, case), &whole, &[&whole])).unwrap();
            if let Err(error) = file::load(&path) {
                prop_assert!(error.to_string().contains("x.parquet"), "{}", error);
            }
        }
    }
}
