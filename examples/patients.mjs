// Writes records of 600 made-up patients, as docs/your-own-data.md reads them: node examples/patients.mjs > patients.csv
//
// A patient's blood pressure is low, raised or high. A dose lowers it, a high dose more so, and costs well-being. Doctors give what seems
// right, not always the same; to nobody with high pressure do they give nothing.

let state = 1;
/** Numbers between 0 and 1 that are the same everywhere (Park and Miller). */
const random = () => (state = (state * 48271) % 2147483647) / 2147483647;

const DOSES = ['none', 'low', 'high'];
/** How likely each dose is given, by pressure. */
const GIVEN = [[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0, 0.4, 0.6]];
/** How likely each pressure follows, by dose and pressure. */
const NEXT = {
  none: [[0.7, 0.25, 0.05], [0.1, 0.5, 0.4], [0.02, 0.08, 0.9]],
  low: [[0.85, 0.13, 0.02], [0.45, 0.4, 0.15], [0.1, 0.4, 0.5]],
  high: [[0.9, 0.09, 0.01], [0.6, 0.3, 0.1], [0.25, 0.5, 0.25]],
};
/** How well a patient is, by pressure, and what a dose takes from that. */
const WELL = [1, 0.6, 0];
const COST = { none: 0, low: 0.05, high: 0.2 };

function draw(chances) {
  let rest = random();
  const drawn = chances.findIndex((chance) => (rest -= chance) < 0);
  return drawn < 0 ? chances.length - 1 : drawn;
}

const lines = ['patient,visit,pressure,action,reward'];
for (let patient = 1; patient <= 600; patient++) {
  let pressure = draw([0.3, 0.4, 0.3]);
  for (let visit = 1; visit <= 6; visit++) {
    const dose = DOSES[draw(GIVEN[pressure])];
    const measured = [110, 131, 151][pressure] + Math.floor(18 * random());
    lines.push([patient, visit, measured, dose, (WELL[pressure] - COST[dose]).toFixed(2)].join(','));
    pressure = draw(NEXT[dose][pressure]);
  }
}
console.log(lines.join('\n'));
