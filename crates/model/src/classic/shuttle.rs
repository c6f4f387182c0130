//! The space shuttle: Chrisman, "Reinforcement learning with perceptual aliasing: the perceptual distinctions approach", AAAI 1992.

use super::sketch::{Row, Sketch, names};
use crate::{Model, ModelError};

/// Where the shuttle is. A station is known by when it was visited: the least recently visited one wants supplies, and becomes
/// the most recently visited one with the docking.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// At the dock of a station.
    Docked(Station),
    /// Before a station, its front towards it.
    Facing(Station),
    /// Between the stations, its front towards one.
    Towards(Station),
    /// Before a station, its back towards it.
    Leaving(Station),
}

#[derive(Clone, Copy, PartialEq)]
enum Station {
    Old,
    Recent,
}

use Place::{Docked, Facing, Leaving, Towards};
use Station::{Old, Recent};

const PLACES: [Place; 8] = [
    Docked(Old),
    Facing(Recent),
    Towards(Recent),
    Leaving(Old),
    Leaving(Recent),
    Towards(Old),
    Facing(Old),
    Docked(Recent),
];
const NAMES: [&str; 8] = [
    "docked-old",
    "facing-recent",
    "towards-recent",
    "leaving-old",
    "leaving-recent",
    "towards-old",
    "facing-old",
    "docked-recent",
];
const SEEN: [&str; 5] = ["old-ahead", "recent-ahead", "docked-at-recent", "nothing", "docked-at-old"];
const NOTHING: usize = 3;
const TURN: usize = 0;
const FORWARD: usize = 1;

impl Station {
    fn other(self) -> Self {
        if self == Old { Recent } else { Old }
    }
}

impl Place {
    fn index(self) -> usize {
        PLACES.iter().position(|&place| place == self).expect("the list has every place")
    }

    /// Turning and going forward are certain.
    fn turned(self) -> Self {
        match self {
            Docked(_) => Facing(Recent),
            Facing(station) => Leaving(station),
            Leaving(station) => Facing(station),
            Towards(station) => Towards(station.other()),
        }
    }

    fn ahead(self) -> Self {
        match self {
            Docked(_) => Leaving(Recent),
            Facing(station) | Towards(station) => Facing(station),
            Leaving(station) => Towards(station.other()),
        }
    }

    /// Backing up is not: it may come to nothing, or turn the shuttle round. Only from before a dock does it dock.
    fn behind(self) -> Vec<(Place, f64)> {
        match self {
            Docked(_) => vec![(Docked(Recent), 1.0)],
            Facing(station) => vec![(self, 0.4), (Towards(station), 0.3), (Leaving(station), 0.3)],
            Towards(station) => vec![(Leaving(station.other()), 0.8), (self, 0.1), (Facing(station.other()), 0.1)],
            Leaving(station) => vec![(Docked(station), 0.7), (self, 0.3)],
        }
    }

    /// A station before the shuttle is seen; from afar with probability 0.7. Docks are known.
    fn seen(self) -> Row {
        let ahead = |station| usize::from(station == Recent);
        match self {
            Docked(Recent) => vec![(2, 1.0)],
            Docked(Old) => vec![(4, 1.0)],
            Facing(station) => vec![(ahead(station), 1.0)],
            Towards(station) => vec![(ahead(station), 0.7), (NOTHING, 0.3)],
            Leaving(_) => vec![(NOTHING, 1.0)],
        }
    }
}

/// Docking at the station that was not visited last earns 10, running into a station costs 3.
pub(super) fn model() -> Result<Model, ModelError> {
    Sketch {
        name: "shuttle".into(),
        states: names(NAMES),
        actions: names(["turn-around", "go-forward", "back-up"]),
        observations: names(SEEN),
        start: PLACES.iter().map(|&place| f64::from(u8::from(place == Docked(Recent)))).collect(),
        terminal: Vec::new(),
        next: |action: usize, state: usize| match action {
            TURN => vec![(PLACES[state].turned().index(), 1.0)],
            FORWARD => vec![(PLACES[state].ahead().index(), 1.0)],
            _ => PLACES[state].behind().into_iter().map(|(place, p)| (place.index(), p)).collect(),
        },
        seen: |_, state: usize| PLACES[state].seen(),
        reward: |action, state: usize, next: usize| match (action, PLACES[state], PLACES[next]) {
            (FORWARD, Facing(_), _) => -3.0,
            (_, Leaving(Old), Docked(Old)) => 10.0,
            _ => 0.0,
        },
    }
    .build()
}
