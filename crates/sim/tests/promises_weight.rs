//! What objects say they take is what the allocator gave them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::random::Key;
use tiresias_model::{Model, classic};
use tiresias_sim::{BeliefBatch, BeliefFilter, Environments, Level, NatureRule};
use tiresias_solve::{Exact, Faces, Limits, Plans, Search, Solver, auto, no_hook};

/// Counts what is held on each thread.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that is ending has no counter, and nobody who asks for it.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
}

// SAFETY: everything is the system's allocator's own work; the counter does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Something, and what it holds on the heap.
fn held<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    let made = make();
    (made, usize::try_from(HELD.get() - before).unwrap())
}

/// Checks that a weight is what is held, but for spare room and small change.
#[track_caller]
fn assert_weight(what: &str, told: usize, held: usize) {
    let (told, held) = (told as f64, held as f64);
    assert!(
        held - told < 0.35 * held + 2048.0 && told - held < 0.35 * held + 2048.0,
        "{what}: {told} told, {held} held"
    );
}

fn energy(models: usize) -> Model {
    let request =
        TaskRequest { split: "test".into(), index: 1, seed: 1, regime: Regime::Apomdp, horizon: 4, models, alpha: 1.0 };
    family("energy").unwrap().task(&request).unwrap().model
}

#[test]
fn models_weigh_what_they_hold() {
    for name in ["tiger", "4x3", "maze:hallway", "tag", "rock-sample:4,4", "rock-sample:5,5", "network"] {
        let (model, held) = held(|| classic::by_name(name).unwrap());
        assert_weight(name, model.bytes(), held);
    }
    let (model, held) = held(|| energy(200));
    assert_weight("a cloud", model.bytes(), held);
}

#[test]
fn solutions_weigh_what_they_hold() {
    let limits = Limits { gap: 0.5, ..Limits::default() };
    let solvers: [(&str, Model, Box<dyn Solver>); 6] = [
        ("table", classic::by_name("4x3").unwrap().single(0), auto(&energy(1))),
        ("vectors", classic::by_name("4x3").unwrap(), Box::new(Search::default())),
        ("exact", with_horizon(&classic::by_name("tiger").unwrap(), 6), Box::new(Exact::default())),
        ("faces", with_horizon(&classic::by_name("tiger").unwrap(), 6), Box::new(Faces::default())),
        ("plans", energy(3), Box::new(Plans::default())),
        ("auto", energy(3), auto(&energy(3))),
    ];
    for (name, model, solver) in solvers {
        let (solution, held) = held(|| solver.solve(&model, &limits, &no_hook));
        let Ok(solution) = solution else { continue };
        // The policy's own copy of the model shares what is large.
        assert_weight(name, solution.bytes(), held);
    }
}

fn with_horizon(model: &Model, horizon: usize) -> Model {
    let mut parts = model.to_builder();
    parts.horizon = Some(horizon);
    parts.build().unwrap()
}

#[test]
fn simulators_weigh_what_they_hold_and_need_what_was_foretold() {
    for name in ["tiger", "maze:hallway", "tag"] {
        let model = Arc::new(classic::by_name(name).unwrap());
        let states = model.states().len();
        let (filter, took) = held(|| BeliefFilter::<f64>::new(&model, 0));
        assert_weight(name, filter.bytes(), took);
        assert_weight(name, BeliefFilter::<f64>::bytes_for(&model), took);
        for count in [1, 1000] {
            let (batch, took) = held(|| BeliefBatch::<f32>::new(model.start(), count));
            assert_weight(name, batch.bytes(), took);
            assert_eq!(batch.bytes(), BeliefBatch::<f32>::bytes_for(states, count));
            let make = || Environments::new(model.clone(), NatureRule::Fixed(0), Key(1), count, Level::best()).unwrap();
            let (environments, took) = held(make);
            assert_weight(name, environments.bytes(), took);
            assert!(Environments::bytes_for(count) <= took + 1024 * count, "{name}");
        }
    }
}
