// Writes docs/solver.schema.json from the schema in src/bench/description.ts (run after `npm run build:ts`, which does so itself).
import { writeFileSync } from 'node:fs';
import { solverSchema } from '../dist/bench/description.js';

writeFileSync(new URL('../docs/solver.schema.json', import.meta.url), `${JSON.stringify(solverSchema(), null, 2)}\n`);
