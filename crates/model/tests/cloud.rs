//! A cloud built from its members.

use proptest::prelude::*;
use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::format::{ReadOptions, read};
use tiresias_model::{Ambiguity, Model, ModelError, Reward, Support};

/// A walk of two states. `P(move)` and what the reward is given for are the caller's.
fn walk(stay: f64, rewards: &str) -> Model {
    let text = format!(
        "discount: 0.9\nvalues: reward\nstates: here there\nactions: wait go\nobservations: dark light\nstart: 1 0\n\
         T: wait identity\nT: go\n{stay} {}\n0 1\nO: *\n0.8 0.2\n0.3 0.7\n{rewards}\n",
        1.0 - stay
    );
    read("walk.pomdp", text.as_bytes(), &ReadOptions::default()).unwrap().model
}

fn request(regime: Regime) -> TaskRequest {
    TaskRequest { split: "train".into(), index: 0, seed: 3, regime, horizon: 6, models: 1, alpha: 1.0 }
}

fn problem(models: &[Model]) -> String {
    match Model::cloud(models, 1.0).expect_err("the members differ") {
        ModelError::Cloud { model: 1, problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

proptest! {
    /// Taking a cloud apart and putting it together gives it back.
    #[test]
    fn members_make_the_cloud_they_came_from(index in 0_u64..200, models in 1_usize..5, alpha in 0.0..=1.0) {
        let request = TaskRequest { index, models, alpha, ..request(Regime::Apomdp) };
        let whole = family("energy").unwrap().task(&request).unwrap().model;
        let members: Vec<Model> = (0..models).map(|m| whole.single(m)).collect();
        prop_assert_eq!(Model::cloud(&members, alpha).unwrap(), whole);
    }
}

#[test]
fn a_wildcard_reward_covers_the_transitions_of_every_member() {
    // The first member cannot move, so its file's reward on arrival reaches no cell of `here, go`.
    let rule = "R: * : * : there : * 5";
    let (stuck, moving) = (walk(1.0, rule), walk(0.25, rule));
    for members in [[stuck.clone(), moving.clone()], [moving.clone(), stuck.clone()]] {
        let cloud = Model::cloud(&members, 0.5).unwrap();
        assert_eq!(cloud.alpha(), 0.5);
        for (m, member) in members.iter().enumerate() {
            assert_eq!(cloud.expected_reward(m), member.expected_reward(0));
        }
    }
    // Row `a * S + s`: 0.75 of the way to the 5.
    assert_eq!(Model::cloud(&[stuck, moving], 1.0).unwrap().expected_reward(1)[2], 3.75);
}

#[test]
fn rewards_by_observation_are_shared_too() {
    let rule = "R: * : * : there : light 5";
    let cloud = Model::cloud(&[walk(1.0, rule), walk(0.5, rule)], 1.0).unwrap();
    assert!(matches!(cloud.reward(), Reward::Full(_)));
    assert_eq!(cloud.expected_reward(1)[2], 0.5 * 0.7 * 5.0);
    assert!(
        problem(&[walk(0.5, rule), walk(0.5, "R: * : * : there : light 4")]).contains("observation number 1 differs")
    );
}

#[test]
fn members_that_differ_are_named_with_the_difference() {
    let given = walk(0.5, "R: go : * : there : * 1");
    let rewards = problem(&[given.clone(), walk(0.5, "R: go : * : there : * 2")]);
    assert!(rewards.contains("reward of state here and action go on moving to state there"), "{rewards}");
    // A reward of nothing where the other pays is a difference, when the transition can occur.
    let only_here = "R: go : here : there : * 1\nR: go : there : there : * 0";
    assert!(problem(&[given.clone(), walk(0.5, only_here)]).contains("state there and action go"));
    assert!(problem(&[walk(0.5, "R: go : * : * : * 1"), given.clone()]).contains("R(s,a,s')"));

    let change = |edit: &dyn Fn(&mut tiresias_model::ModelBuilder)| {
        let mut parts = given.to_builder();
        edit(&mut parts);
        problem(&[given.clone(), parts.build().unwrap()])
    };
    assert_eq!(change(&|p| p.discount = 0.8), "discount is 0.8, in model 0 0.9");
    assert_eq!(change(&|p| p.horizon = Some(4)), "has horizon 4, model 0 has no horizon");
    assert_eq!(change(&|p| p.start = vec![0.5, 0.5]), "start probability of state here is 0.5, in model 0 1");
    assert_eq!(change(&|p| p.terminal = vec![1]), "state there is terminal, in model 0 it is not");
    let mut finite = given.to_builder();
    finite.horizon = Some(4);
    let mut paid = finite.clone();
    paid.final_reward = vec![0.0, 2.0];
    let found = problem(&[finite.build().unwrap(), paid.build().unwrap()]);
    assert_eq!(found, "final reward of state there is 2, in model 0 0");
    let shapes = [
        given,
        read("t.pomdp", b"discount: 0.9\nstates: 3\nactions: 2\nT: * identity\n", &ReadOptions::default())
            .unwrap()
            .model,
    ];
    assert_eq!(problem(&shapes), "has 3 states, model 0 has 2");
    let mut sets = family("energy").unwrap().task(&request(Regime::Mdp)).unwrap().model.to_builder();
    sets.ambiguity = Some(Ambiguity::L1 { radius: vec![0.1; 30], support: Support::Nominal });
    let sets = sets.build().unwrap();
    assert!(matches!(Model::cloud(&[sets], 1.0), Err(ModelError::Cloud { model: 0, .. })));
    assert!(matches!(Model::cloud(&[], 1.0), Err(ModelError::Shape { .. })));
}
