//! Examples from the learning histories of an algorithm, for Algorithm Distillation (Laskin et al., ICLR 2023).

use tiresias_agents::QLearning;
use tiresias_model::Policy;
use tiresias_model::random::unit32;
use tiresias_sim::{Batch, Episode, World};

use crate::examples::{Queries, TaskProgress};
use crate::{Histories, SolvedTask, Spec, StudyError};

/// The supports and queries of all examples of a task. The learner's actions are what was executed; beside them stands what the oracle
/// thinks of each decision, as everywhere. A history costs as many steps of the world as its query is late.
pub(crate) fn histories(
    task: &SolvedTask,
    spec: &Spec,
    histories: Histories,
    progress: &TaskProgress<'_>,
) -> Result<(Batch, Queries), StudyError> {
    let (k, horizon) = (spec.support.trajectories, task.horizon(spec));
    let mut support = Batch { horizon, ..Batch::default() };
    let mut queries = Queries::default();
    queries.executed.horizon = horizon;
    for example in 0..spec.examples_per_task as u64 {
        let late = unit32(task.key(spec, "history/query").block(example, 0, 0)[0]);
        let query = k + (late * (histories.episodes - k) as f64) as usize;
        let mut learner = QLearning::new(&task.shape(spec), histories.rate);
        let mut kept = (0..k).map(|i| i * query / k).peekable();
        for episode in 0..=query {
            progress.check()?;
            if episode == query {
                play(task, spec, histories, (example, episode), &mut learner, Some(&mut queries))?;
                continue;
            }
            let played = play(task, spec, histories, (example, episode), &mut learner, None)?;
            // Fewer episodes than trajectories before the query: none, as the query is never that early.
            if kept.next_if_eq(&episode).is_some() {
                append(&mut support, played);
            }
        }
    }
    Ok((support, queries))
}

/// Plays one episode of a history, from which the learner learns; a query is recorded with the oracle's opinion.
fn play(
    task: &SolvedTask,
    spec: &Spec,
    histories: Histories,
    (example, number): (u64, usize),
    learner: &mut QLearning,
    query: Option<&mut Queries>,
) -> Result<Batch, StudyError> {
    let policy = &task.solution.policy;
    let world = World { model: task.model(), policy: Some(policy), nature: spec.recorded_nature(task.task.true_model) };
    let (actions, horizon, observed) = (task.model().actions().len(), task.horizon(spec), policy.tabular().is_some());
    let index = example * histories.episodes as u64 + number as u64;
    let epsilon = epsilon(histories, number);
    let mut episode = Episode::start(&world, task.key(spec, "history"), index);
    let mut played = Batch { episodes: 1, horizon, ..Batch::default() };
    let mut opinions = Vec::new();
    let (mut total, mut weight) = (0.0, 1.0);
    learner.begin(episode.seen())?;
    for stage in 0..horizon {
        if query.is_some() {
            opinions.push(if observed {
                policy.label_in_state(stage, episode.state())
            } else {
                let assessment = policy.assess(stage, episode.belief());
                (assessment.action(), assessment.regret_bound(assessment.action()))
            });
        }
        let action = if episode.explores(epsilon) { episode.random_action(actions) } else { learner.best() };
        played.states.push(episode.state() as u32);
        played.observations.push(episode.seen().map_or(-1, |o| o as i32));
        played.actions.push(action as u8);
        let step = episode.step(&world, action)?;
        let reward = task.earned(spec, "history", (index, stage), step.reward);
        played.rewards.push(reward);
        learner.learn(action, reward, (stage + 1 < horizon).then_some(step.seen))?;
        total += weight * reward;
        weight *= task.model().discount();
    }
    played.returns.push(total);
    if let Some(queries) = query {
        queries.oracle_actions.extend(opinions.iter().map(|&(action, _)| action as u8));
        queries.regret_bounds.extend(opinions.iter().map(|&(_, bound)| bound));
        append(&mut queries.executed, played);
        return Ok(Batch::default());
    }
    Ok(played)
}

/// Random actions in an episode of a history.
fn epsilon(Histories { episodes, least_epsilon, .. }: Histories, number: usize) -> f64 {
    (1.0 - 2.0 * number as f64 / episodes as f64).max(least_epsilon)
}

fn append(batch: &mut Batch, mut episode: Batch) {
    batch.episodes += episode.episodes;
    batch.states.append(&mut episode.states);
    batch.observations.append(&mut episode.observations);
    batch.actions.append(&mut episode.actions);
    batch.rewards.append(&mut episode.rewards);
    batch.returns.append(&mut episode.returns);
}
