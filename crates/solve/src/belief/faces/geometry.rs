//! The model as rewards on faces and linear maps between them.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::lattice::{Lattice, Place, three};
use crate::belief::backup::{Scratch, expected_reward};
use crate::limits::{Late, Watch};

/// A face of the belief simplex, with its own scale of coordinates.
///
/// A belief `x` on the face has the coordinates `y_i = x(states[i]) / scale[i]`. Value functions are positively homogeneous, so
/// they are piecewise linear in `y` where they are in `x`, and any positive scale gives as good a triangulation. Posterior
/// beliefs crowd into the corner that the observation favours; dividing by the observation's likelihood spreads them out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Face {
    pub states: Vec<u32>,
    pub scale: [f64; 3],
}

impl Face {
    /// Coordinates of an unnormalised belief whose support lies on the face, or `None` when it does not.
    #[inline]
    pub fn coordinates(&self, belief: &[(u32, f64)]) -> Option<[f64; 3]> {
        let mut y = [0.0; 3];
        for &(s, mass) in belief {
            let i = self.states.iter().position(|&t| t == s)?;
            y[i] = mass / self.scale[i];
        }
        Some(y)
    }

    pub fn lattice(&self, divisions: usize) -> Lattice {
        Lattice { corners: self.states.len(), divisions }
    }
}

/// What one (action, model, observation) does to the beliefs of one face: `y ↦ matrix · y` on the target face.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    pub target: u32,
    /// `matrix[i][j]`: coordinate `i` of the image of corner `j`.
    pub matrix: [[f64; 3]; 3],
}

impl Map {
    #[inline]
    pub fn apply(&self, y: [f64; 3]) -> [f64; 3] {
        let m = &self.matrix;
        three(|i| m[i][0] * y[0] + m[i][1] * y[1] + m[i][2] * y[2])
    }

    /// A linear function of the image, as one of the point.
    #[inline]
    pub fn turn(&self, vector: &[f64; 3]) -> [f64; 3] {
        three(|j| (0..3).map(|i| vector[i] * self.matrix[i][j]).sum())
    }

    /// The largest mass of an image of a point of mass 1: that of a corner.
    fn largest_mass(&self) -> f64 {
        (0..3).map(|j| (0..3).map(|i| self.matrix[i][j]).sum()).fold(0.0, f64::max)
    }
}

/// Maps out of one face, grouped by (action, model).
#[derive(Debug, Clone)]
pub(crate) struct FaceMaps {
    /// Expected reward at the three corners in the face's coordinates, index `action * M + m`.
    pub rewards: Vec<[f64; 3]>,
    /// The maps of group `g = action * M + m` are `maps[groups[g]..groups[g + 1]]`.
    pub groups: Vec<u32>,
    /// A bound on the total mass of a group's images of points of mass 1, each image at its largest.
    pub mass: Vec<f64>,
    pub maps: Vec<Map>,
}

/// Scales of the faces: the observations' likelihoods, averaged over actions, models and the observations that lead there.
pub(crate) fn scaled_faces(model: &Model, supports: &[Vec<u32>], watch: &Watch) -> Result<Vec<Face>, Late> {
    let s = model.states().len();
    let mut faces: Vec<Face> = supports.iter().map(|states| Face { states: states.clone(), scale: [0.0; 3] }).collect();
    let mut scratch = Scratch::new(model);
    for f in 0..faces.len() {
        let everywhere: Vec<(u32, f64)> = faces[f].states.iter().map(|&s| (s, 1.0)).collect();
        for action in 0..model.actions().len() {
            for m in 0..model.dynamics().len() {
                let kernel = model.dynamics()[m].observation.as_ref().expect("checked: the model has observations");
                let mut looked = 1;
                scratch.successors(model, m, &everywhere, action, |o, joint| {
                    let at = faces.iter().position(|face| face.coordinates_fit(joint)).expect("supports are closed");
                    looked += at;
                    let target = &mut faces[at];
                    for i in 0..target.states.len() {
                        target.scale[i] += kernel.get(action * s + target.states[i] as usize, o);
                    }
                });
                watch.spend(looked)?;
            }
        }
    }
    for face in &mut faces {
        let largest = face.scale.iter().copied().fold(0.0, f64::max);
        // A scale far below the others would only stretch the lattice where no belief is.
        face.scale = face.scale.map(|w| if largest > 0.0 { (w / largest).max(1e-3) } else { 1.0 });
    }
    Ok(faces)
}

impl Face {
    fn coordinates_fit(&self, belief: &[(u32, f64)]) -> bool {
        belief.iter().all(|(s, _)| self.states.contains(s))
    }
}

/// The maps out of every face. O(faces · A · entries of the kernels' rows on the faces).
pub(crate) fn face_maps(model: &Model, faces: &[Face], watch: &Watch) -> Result<Vec<FaceMaps>, Late> {
    let models = model.dynamics().len();
    let mut scratch = Scratch::new(model);
    faces
        .iter()
        .map(|face| {
            let mut out = FaceMaps { rewards: Vec::new(), groups: vec![0], mass: Vec::new(), maps: Vec::new() };
            for action in 0..model.actions().len() {
                for m in 0..models {
                    let corner = |j: usize| -> Vec<(u32, f64)> {
                        face.states.get(j).map(|&s| vec![(s, face.scale[j])]).unwrap_or_default()
                    };
                    out.rewards.push(three(|j| expected_reward(model, m, &corner(j), action)));
                    let first = out.maps.len();
                    watch.spend(push_maps(model, m, action, face, faces, &mut scratch, &mut out.maps))?;
                    out.mass.push(out.maps[first..].iter().map(Map::largest_mass).sum());
                    out.groups.push(out.maps.len() as u32);
                }
            }
            Ok(out)
        })
        .collect()
}

/// Returns the faces that were looked at.
fn push_maps(
    model: &Model,
    m: usize,
    action: usize,
    face: &Face,
    faces: &[Face],
    scratch: &mut Scratch,
    maps: &mut Vec<Map>,
) -> usize {
    let all: Vec<(u32, f64)> = face.states.iter().zip(face.scale).map(|(&s, w)| (s, w)).collect();
    let mut targets: Vec<(usize, u32)> = Vec::new();
    let mut looked = 1;
    scratch.successors(model, m, &all, action, |o, joint| {
        let target = faces.iter().position(|f| f.coordinates_fit(joint)).expect("supports are closed under the maps");
        looked += target;
        targets.push((o, target as u32));
    });
    let first = maps.len();
    maps.extend(targets.iter().map(|&(_, target)| Map { target, matrix: [[0.0; 3]; 3] }));
    for (j, corner) in all.iter().enumerate() {
        scratch.successors(model, m, std::slice::from_ref(corner), action, |o, joint| {
            let slot = targets.iter().position(|t| t.0 == o).expect("a corner's observations are the face's");
            let map = &mut maps[first + slot];
            let image =
                faces[map.target as usize].coordinates(joint).expect("a corner's image lies where the face's does");
            image.into_iter().enumerate().for_each(|(i, y)| map.matrix[i][j] = y);
        });
    }
    looked
}

/// Faces with their lattices, and where every vertex goes under every map: the same at every stage, so it is computed once.
pub(crate) struct Geometry {
    pub faces: Vec<Face>,
    pub maps: Vec<FaceMaps>,
    pub divisions: usize,
    /// First vertex of every face among all vertices, and one past the last.
    pub base: Vec<u32>,
    /// First place of every face among all places, and one past the last.
    pub place_base: Vec<usize>,
    /// Where the images lie: face, then vertex, then map. Vertices are numbered over all faces; an image of mass 0 has weight 0.
    places: Vec<Place>,
}

impl Geometry {
    /// O(vertices · maps).
    pub fn new(faces: &[Face], maps: Vec<FaceMaps>, divisions: usize, watch: &Watch) -> Result<Self, Late> {
        let base = bases(faces, divisions);
        let mut places = Vec::new();
        let mut place_base = vec![0];
        for (face, maps) in faces.iter().zip(&maps) {
            let lattice = face.lattice(divisions);
            for c in lattice.coordinates() {
                let y = three(|i| c[i] as f64 / divisions as f64);
                watch.spend(4 * maps.maps.len())?;
                for map in &maps.maps {
                    let target = map.target as usize;
                    places.push(place(&faces[target], divisions, base[target], map.apply(y)));
                }
            }
            place_base.push(places.len());
        }
        Ok(Self { faces: faces.to_vec(), maps, divisions, base, place_base, places })
    }

    /// The places of one vertex (number within its face), one a map.
    pub fn places_of(&self, face: usize, vertex: usize) -> &[Place] {
        let each = self.maps[face].maps.len();
        &self.places[self.place_base[face] + vertex * each..][..each]
    }
}

/// Faces by state, so that a belief finds its own from any state of its support.
pub(crate) fn by_state(model: &Model, faces: &[Face]) -> Vec<Vec<u32>> {
    let mut by_state = vec![Vec::new(); model.states().len()];
    for (f, face) in faces.iter().enumerate() {
        face.states.iter().for_each(|&s| by_state[s as usize].push(f as u32));
    }
    by_state
}

/// The faces that hold a belief, and its coordinates there: several where it lies on a side of theirs.
#[inline]
pub(crate) fn find<'a>(
    faces: &'a [Face],
    by_state: &'a [Vec<u32>],
    belief: &'a [(u32, f64)],
) -> impl Iterator<Item = (usize, [f64; 3])> + 'a {
    let first = belief.first().map_or(&[][..], |&(state, _)| by_state[state as usize].as_slice());
    first.iter().filter_map(|&f| Some((f as usize, faces[f as usize].coordinates(belief)?)))
}

/// First vertex of every face among all vertices, and one past the last.
pub(crate) fn bases(faces: &[Face], divisions: usize) -> Vec<u32> {
    let mut base = vec![0];
    for face in faces {
        base.push(base[base.len() - 1] + face.lattice(divisions).vertices() as u32);
    }
    base
}

/// The place of coordinates `y` on a face whose vertices start at `base`.
#[inline]
pub(crate) fn place(face: &Face, divisions: usize, base: u32, y: [f64; 3]) -> Place {
    if y[0] + y[1] + y[2] <= 0.0 {
        return Place { vertex: [base; 3], weight: [0.0; 3] };
    }
    let mut place = face.lattice(divisions).place(y);
    let [a, b, c] = place.vertex;
    place.vertex = [a + base, b + base, c + base];
    place
}
