//! Grid worlds drawn as text: what is a cell, and what lies beside it.

/// The compass, clockwise.
pub(super) const NORTH: usize = 0;
pub(super) const EAST: usize = 1;
pub(super) const SOUTH: usize = 2;
pub(super) const WEST: usize = 3;
pub(super) const COMPASS: [&str; 4] = ["north", "east", "south", "west"];

/// Cells of a map, numbered line by line. A blank or `#` is no cell.
pub(super) struct Grid {
    cells: Vec<(usize, usize, char)>,
}

impl Grid {
    /// Reads a map: one character a cell, lines from north to south.
    pub fn read<'t>(lines: impl IntoIterator<Item = &'t str>) -> Self {
        let line = |(y, line): (usize, &'t str)| line.chars().enumerate().map(move |(x, mark)| (x, y, mark));
        let cells = lines.into_iter().enumerate().flat_map(line).filter(|&(.., mark)| mark != ' ' && mark != '#');
        Self { cells: cells.collect() }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Column (from the west) and line (from the north) of a cell.
    pub fn place(&self, cell: usize) -> (usize, usize) {
        let (x, y, _) = self.cells[cell];
        (x, y)
    }

    /// The character of a cell.
    pub fn mark(&self, cell: usize) -> char {
        self.cells[cell].2
    }

    /// The cells that are marked so.
    pub fn marked(&self, mark: char) -> Vec<usize> {
        (0..self.len()).filter(|&cell| self.mark(cell) == mark).collect()
    }

    /// The neighbour in a direction, when there is one.
    pub fn beside(&self, cell: usize, direction: usize) -> Option<usize> {
        let (x, y) = self.place(cell);
        let (x, y) = match direction {
            NORTH => (Some(x), y.checked_sub(1)),
            EAST => (Some(x + 1), Some(y)),
            SOUTH => (Some(x), Some(y + 1)),
            _ => (x.checked_sub(1), Some(y)),
        };
        self.cells.binary_search_by_key(&(y?, x?), |&(x, y, _)| (y, x)).ok()
    }

    /// Where a step leads: the neighbour, or the cell itself at a wall.
    pub fn step(&self, cell: usize, direction: usize) -> usize {
        self.beside(cell, direction).unwrap_or(cell)
    }

    /// A cell's name.
    pub fn name(&self, cell: usize) -> String {
        let (x, y) = self.place(cell);
        format!("x{x}y{y}")
    }
}
