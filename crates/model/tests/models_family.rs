//! Families of one's own: a folder of model files is a family, and what cannot be one is said with its file.

use std::fs;
use std::path::Path;

use tiresias_model::family::{Family, Regime, TaskRequest, family, load};
use tiresias_model::{Kind, Model, Reward};

fn request(split: &str, index: u64, regime: Regime, horizon: usize) -> TaskRequest {
    TaskRequest { split: split.into(), index, seed: 3, regime, horizon, models: 3, alpha: 1.0 }
}

/// Tasks of the energy family as files, whose names sort as their numbers do.
fn write_energy(folder: &Path, split: &str, regime: Regime, count: u64) -> Vec<Model> {
    let energy = family("energy").unwrap();
    let folder = folder.join(split);
    fs::create_dir_all(&folder).unwrap();
    (0..count)
        .map(|index| {
            let model = energy.task(&request(split, index, regime, 10)).unwrap().model;
            fs::write(folder.join(format!("{index:03}.json")), model.to_json()).unwrap();
            model
        })
        .collect()
}

fn loaded(folder: &Path) -> Box<dyn Family> {
    family(&load(folder).unwrap()).unwrap()
}

fn told(folder: &Path) -> String {
    load(folder).unwrap_err().to_string()
}

#[test]
fn the_energy_family_written_out_is_the_same_tasks() {
    for (regime, kind) in [(Regime::Mdp, Kind::Mdp), (Regime::Pomdp, Kind::Pomdp), (Regime::Apomdp, Kind::Apomdp)] {
        let folder = tempfile::tempdir().unwrap();
        let train = write_energy(folder.path(), "train", regime, 12);
        let far = write_energy(folder.path(), "ood-capacity", regime, 3);
        let own = loaded(folder.path());
        assert_eq!((own.regimes(), own.horizon(), own.max_symbols()), (&[regime][..], 10, 15));
        let names: Vec<&str> = own.splits().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["ood-capacity", "train"]);
        for (split, models) in [("train", &train), ("ood-capacity", &far)] {
            for (index, model) in models.iter().enumerate() {
                let task = own.task(&request(split, index as u64, regime, 10)).unwrap();
                assert_eq!((task.model.sha256(), task.model.kind()), (model.sha256(), kind));
                assert!(task.true_model < model.dynamics().len());
            }
        }
        // Energy's rewards lie on tenths.
        let grid = own.reward_grid();
        assert!((grid.step - 0.1).abs() < 1e-12 && grid.low >= -2.0 && grid.high <= 3.0, "{grid:?}");
    }
}

#[test]
fn horizons_and_attitudes_are_the_requests() {
    let folder = tempfile::tempdir().unwrap();
    write_energy(folder.path(), "train", Regime::Apomdp, 2);
    let own = loaded(folder.path());
    let mut short = request("train", 1, Regime::Apomdp, 4);
    short.alpha = 0.25;
    let task = own.task(&short).unwrap();
    assert_eq!((task.model.horizon(), task.model.alpha()), (Some(4), 0.25));
    assert!(
        own.task(&request("train", 2, Regime::Apomdp, 4)).unwrap_err().to_string().contains("not one of its 2 models")
    );
    assert!(own.task(&request("test", 0, Regime::Apomdp, 4)).unwrap_err().to_string().contains("train"));
    assert!(own.task(&request("train", 0, Regime::Mdp, 4)).unwrap_err().to_string().contains("apomdp"));
}

#[test]
fn the_name_is_the_models_wherever_they_lie() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_energy(one.path(), "train", Regime::Pomdp, 3);
    write_energy(other.path(), "train", Regime::Pomdp, 3);
    fs::rename(other.path().join("train/001.json"), other.path().join("train/0010.json")).unwrap();
    let name = load(one.path()).unwrap();
    assert!(name.starts_with("models:") && name == load(other.path()).unwrap());
    // One model more, or in another place, is another family; the old one is still known.
    fs::rename(other.path().join("train/000.json"), other.path().join("train/9.json")).unwrap();
    assert_ne!(name, load(other.path()).unwrap());
    fs::remove_file(one.path().join("train/002.json")).unwrap();
    assert_ne!(name, load(one.path()).unwrap());
    assert!(family(&name).unwrap().task(&request("train", 2, Regime::Pomdp, 10)).is_ok());
    let missing = family(&format!("models:{}", "0".repeat(64))).err().unwrap().to_string();
    assert!(missing.contains("has not read"), "{missing}");
}

#[test]
fn files_beside_no_folder_are_for_training_and_need_no_horizon() {
    let folder = tempfile::tempdir().unwrap();
    let text = "discount: 1\nvalues: reward\nstates: 2\nactions: stay go\nstart: 0\nT: stay identity\nT: go\n0.25 0.75\n0 1\nR: * : 1 : * 2.5\n";
    fs::write(folder.path().join("a.mdp"), text).unwrap();
    fs::write(folder.path().join(".hidden"), "").unwrap();
    let own = loaded(folder.path());
    assert_eq!((own.horizon(), own.regimes(), own.splits()[0].0), (10, &[Regime::Mdp][..], "train"));
    assert!((own.reward_grid().step - 0.5).abs() < 1e-12);
    assert_eq!(own.task(&request("train", 0, Regime::Mdp, 7)).unwrap().model.horizon(), Some(7));
}

#[test]
fn what_cannot_be_one_is_said_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(told(&path.join("nowhere")).contains("nowhere"));
    assert!(told(path).contains("no model file"), "{}", told(path));
    let train = write_energy(path, "train", Regime::Pomdp, 2);
    fs::write(path.join("train/notes.txt"), "").unwrap();
    assert!(told(path).contains("notes.txt"));
    // What would be left out is said.
    fs::write(path.join("beside.json"), train[0].to_json()).unwrap();
    fs::remove_file(path.join("train/notes.txt")).unwrap();
    assert!(told(path).contains("beside.json: it lies beside"), "{}", told(path));
    fs::remove_file(path.join("beside.json")).unwrap();
    fs::create_dir(path.join("train/more")).unwrap();
    assert!(told(path).contains("a split has files and no folders"));
    fs::remove_dir(path.join("train/more")).unwrap();
    fs::write(path.join("train/notes.txt"), "").unwrap();
    fs::remove_file(path.join("train/notes.txt")).unwrap();
    fs::create_dir(path.join("training")).unwrap();
    assert!(told(path).contains("training") && told(path).contains("ood-"));
    fs::remove_dir(path.join("training")).unwrap();
    let broken = path.join("train/001.json");
    let good = fs::read_to_string(&broken).unwrap();
    fs::write(&broken, &good[..good.len() / 2]).unwrap();
    assert!(told(path).contains("001.json"), "{}", told(path));
    let other = |model: Model| fs::write(&broken, model.to_json()).unwrap();
    other(family("energy").unwrap().task(&request("train", 0, Regime::Mdp, 10)).unwrap().model);
    assert!(told(path).contains("of kind mdp"), "{}", told(path));
    let changed = |change: &dyn Fn(&mut tiresias_model::ModelBuilder)| {
        let mut parts = train[1].to_builder();
        change(&mut parts);
        parts.build().unwrap()
    };
    other(changed(&|parts| parts.discount = 0.5));
    assert!(told(path).contains("discount"), "{}", told(path));
    other(changed(&|parts| parts.reward = Reward::Action(vec![std::f64::consts::PI; 3])));
    assert!(told(path).contains("grid"), "{}", told(path));
    let tiger = tiresias_model::classic::by_name("tiger").unwrap();
    other(tiger);
    assert!(told(path).contains("discount") || told(path).contains("actions"), "{}", told(path));
}
