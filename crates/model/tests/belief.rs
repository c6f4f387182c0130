//! Bayes' rule, one observation at a time and all of them.

use proptest::prelude::*;
use tiresias_model::belief::{successors, update};
use tiresias_model::family::{Regime, TaskRequest, family};

proptest! {
    /// The list of what may follow is what Bayes' rule says of one observation at a time.
    #[test]
    fn successors_are_the_updates(index in 0_u64..50, action in 0_usize..3, m in 0_usize..3, seen in any::<bool>()) {
        let regime = if seen { Regime::Mdp } else { Regime::Apomdp };
        let request = TaskRequest { split: "train".into(), index, seed: 3, regime, horizon: 6, models: 3, alpha: 1.0 };
        let model = family("energy").unwrap().task(&request).unwrap().model;
        let m = m % model.dynamics().len();
        let symbols = model.observations().map_or(model.states().len(), tiresias_model::Space::len);
        let all = successors(&model, m, model.start(), action);
        prop_assert!((all.iter().map(|next| next.probability).sum::<f64>() - 1.0).abs() < 1e-12);
        let mut listed = all.iter().peekable();
        for observation in 0..symbols {
            let mut expected = vec![0.0; model.states().len()];
            let probability = update(&model, m, model.start(), action, observation, &mut expected);
            if probability == 0.0 {
                continue;
            }
            let next = listed.next().expect("every possible observation is listed");
            prop_assert_eq!(next.observation, observation);
            prop_assert!((next.probability - probability).abs() < 1e-12);
            let mut dense = vec![0.0; model.states().len()];
            next.belief.iter().for_each(|&(s, p)| dense[s] = p);
            prop_assert!(dense.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
        }
        prop_assert!(listed.next().is_none());
    }
}
