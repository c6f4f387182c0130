//! Strongly connected components, and end components: sets of nodes that a policy need never leave.

use super::process::Process;
use crate::limits::{Late, Watch};

/// No component.
pub(crate) const NONE: u32 = u32::MAX;

/// The strongly connected components of a graph whose node `n` leads to `next[offset[n]..offset[n + 1]]`, by node; a component leads to
/// itself and to those of lower numbers only (Tarjan, SIAM J. Comput. 1972). O(nodes + edges).
pub(crate) fn components(offset: &[u32], next: &[u32], watch: &Watch) -> Result<Vec<u32>, Late> {
    let nodes = offset.len() - 1;
    let (mut found, mut count, mut time) = (vec![NONE; nodes], 0, 0);
    // When a node was met, from 1 on, and the first met that it leads back to.
    let (mut met, mut low) = (vec![0_u32; nodes], vec![0_u32; nodes]);
    let (mut open, mut path): (Vec<u32>, Vec<(u32, u32)>) = (Vec::new(), Vec::new());
    for root in 0..nodes {
        if met[root] == 0 {
            path.push((root as u32, offset[root]));
        }
        while let Some(&mut (node, ref mut edge)) = path.last_mut() {
            watch.spend(4)?;
            let n = node as usize;
            if met[n] == 0 {
                time += 1;
                (met[n], low[n]) = (time, time);
                open.push(node);
            }
            if *edge < offset[n + 1] {
                let to = next[*edge as usize] as usize;
                *edge += 1;
                if met[to] == 0 {
                    path.push((to as u32, offset[to]));
                } else if found[to] == NONE {
                    low[n] = low[n].min(met[to]);
                }
                continue;
            }
            path.pop();
            if low[n] == met[n] {
                // Ends: the component's first node is open.
                while let Some(member) = open.pop() {
                    found[member as usize] = count;
                    if member == node {
                        break;
                    }
                }
                count += 1;
            }
            if let Some(&(before, _)) = path.last() {
                low[before as usize] = low[before as usize].min(low[n]);
            }
        }
    }
    Ok(found)
}

/// The maximal end components of the actions that `keep` says, by node; [`NONE`] for nodes in none (de Alfaro 1997). An action that may end the process is
/// in none. As many rounds of [`components`] as components are nested, at most one a node.
pub(crate) fn end_components(process: &Process, keep: impl Fn(usize) -> bool, watch: &Watch) -> Result<Vec<u32>, Late> {
    let nodes = process.nodes();
    let mut stays: Vec<bool> = (0..process.action_count()).map(|a| process.end(a) == 0.0 && keep(a)).collect();
    loop {
        let (mut offset, mut next) = (Vec::with_capacity(nodes + 1), Vec::new());
        offset.push(0);
        for node in 0..nodes {
            for action in process.actions(node).filter(|&a| stays[a]) {
                next.extend(process.successors(action).map(|(to, _)| to as u32));
            }
            offset.push(next.len() as u32);
        }
        let mut found = components(&offset, &next, watch)?;
        let mut changed = false;
        for node in 0..nodes {
            watch.spend(4)?;
            for action in process.actions(node) {
                if stays[action] && process.successors(action).any(|(to, _)| found[to] != found[node]) {
                    stays[action] = false;
                    changed = true;
                }
            }
        }
        if !changed {
            for node in 0..nodes {
                if !process.actions(node).any(|action| stays[action]) {
                    found[node] = NONE;
                }
            }
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, no_hook};

    /// Nodes by their actions, each a list of next nodes and whether it may end.
    fn process(nodes: &[&[(&[u32], bool)]]) -> Process {
        let mut process = Process::new();
        for _ in nodes {
            process.push_node();
        }
        for (node, actions) in nodes.iter().enumerate() {
            process.begin(node);
            for (next, ends) in *actions {
                let share = 1.0 / (next.len() + usize::from(*ends)) as f64;
                process.push_action(node, 0.0, if *ends { share } else { 0.0 }, next.iter().map(|&n| (n, share)));
            }
        }
        process
    }

    #[test]
    fn what_leads_back_is_one_component_and_successors_come_first() {
        let limits = Limits::default();
        let watch = Watch::new(&limits, &no_hook);
        // 0 → 1 ⇄ 2 → 3, and 4 by itself.
        let found = components(&[0, 1, 2, 4, 4, 4], &[1, 2, 1, 3], &watch).unwrap();
        assert_eq!(found[1], found[2]);
        assert!(found[3] < found[1] && found[1] < found[0], "{found:?}");
    }

    #[test]
    fn an_end_component_has_an_action_to_stay_by() {
        let limits = Limits::default();
        let watch = Watch::new(&limits, &no_hook);
        // 0 ⇄ 1 surely; 2 leads to 1 or back to itself; 3 ⇄ 4, but 4 may end.
        let process = process(&[
            &[(&[1], false)],
            &[(&[0], false), (&[2], false)],
            &[(&[1, 2], false)],
            &[(&[4], false)],
            &[(&[3], true)],
        ]);
        let found = end_components(&process, |_| true, &watch).unwrap();
        // 2 can go on to 1 and come back by 1's second action: all three are one.
        assert_eq!((found[0], found[1]), (found[2], found[2]));
        assert_ne!(found[0], NONE);
        assert_eq!((found[3], found[4]), (NONE, NONE));
        let without = end_components(&process, |action| action != 2, &watch).unwrap();
        assert_eq!((without[0], without[2]), (without[1], NONE));
    }
}
