// Writes docs/experiment.schema.json from the schema in src/experiment.ts (run after `npm run build:ts`, which does so itself).
import { writeFileSync } from 'node:fs';
import { experimentJsonSchema } from '../dist/experiment.js';

writeFileSync(new URL('../docs/experiment.schema.json', import.meta.url), `${JSON.stringify(experimentJsonSchema(), null, 2)}\n`);
