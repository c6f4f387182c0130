//! Small whole models: as `.pomdp`, as POMDPX, as JSON; one whose state is seen, one with a cloud, one with a horizon.

use tiresias_model::{Model, classic};

/// `tiger` as APPL has it, with a table and a decision diagram.
const TIGER: &str = r#"<?xml version="1.0" encoding="ISO-8859-1"?>
<pomdpx version="0.1" id="tiger" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<Description>listen &amp; open</Description><Discount>0.95</Discount>
<Variable>
<StateVar vnamePrev="t0" vnameCurr="t1" fullyObs="false"><ValueEnum>left right</ValueEnum></StateVar>
<ObsVar vname="o"><ValueEnum>hl hr</ValueEnum></ObsVar>
<ActionVar vname="a"><ValueEnum>listen ol or</ValueEnum></ActionVar>
<RewardVar vname="r"/>
</Variable>
<InitialStateBelief><CondProb><Var>t0</Var><Parent>null</Parent><Parameter type="TBL">
<Entry><Instance>-</Instance><ProbTable>0.5 0.5</ProbTable></Entry></Parameter></CondProb></InitialStateBelief>
<StateTransitionFunction><CondProb><Var>t1</Var><Parent>a t0</Parent><Parameter type="DD"><DAG><Node var="a">
<Edge val="listen"><SubDAG type="persistent" var="t1"/></Edge>
<Edge val="ol"><SubDAG type="uniform" var="t1"/></Edge>
<Edge val="or"><SubDAG type="template" idref="u"/></Edge>
</Node></DAG><SubDAGTemplate id="u"><SubDAG type="uniform" var="t1"/></SubDAGTemplate></Parameter></CondProb></StateTransitionFunction>
<ObsFunction><CondProb><Var>o</Var><Parent>a t1</Parent><Parameter type="TBL">
<Entry><Instance>* * -</Instance><ProbTable>uniform</ProbTable></Entry>
<Entry><Instance>listen - -</Instance><ProbTable>0.85 0.15 0.15 0.85</ProbTable></Entry></Parameter></CondProb></ObsFunction>
<RewardFunction><Func><Var>r</Var><Parent>a t0</Parent><Parameter type="TBL">
<Entry><Instance>listen *</Instance><ValueTable>-1</ValueTable></Entry>
<Entry><Instance>ol left</Instance><ValueTable>-100</ValueTable></Entry>
<Entry><Instance>ol right</Instance><ValueTable>10</ValueTable></Entry>
<Entry><Instance>or - </Instance><ValueTable>10 -100</ValueTable></Entry></Parameter></Func></RewardFunction>
</pomdpx>
"#;

/// Names and bytes.
pub fn models() -> Vec<(String, Vec<u8>)> {
    let tiger = classic::by_name("tiger").expect("a classic");
    let mut seen = tiger.to_builder();
    (seen.observations, seen.dynamics[0].observation, seen.name) = (None, None, "seen".into());
    let seen = seen.build().expect("an MDP");
    let cloud = Model::cloud(&[tiger.clone(), tiger.clone()], 0.5).expect("a cloud");
    let mut bounded = tiger.to_builder();
    bounded.horizon = Some(3);
    let bounded = bounded.build().expect("a model with a horizon");
    let text = |model: &Model| model.to_pomdp().expect("one model").into_bytes();
    vec![
        ("tiger.pomdp".into(), text(&tiger)),
        ("tiger.pomdpx".into(), TIGER.into()),
        ("tiger.json".into(), tiger.to_json().into_bytes()),
        ("seen.mdp".into(), text(&seen)),
        ("seen.json".into(), seen.to_json().into_bytes()),
        ("cloud.json".into(), cloud.to_json().into_bytes()),
        ("horizon.json".into(), bounded.to_json().into_bytes()),
    ]
}
