// Writes the JSON Schemas of the files that people write into docs/ (run after `npm run build:ts`, which does so itself).
import { writeFileSync } from 'node:fs';
import { experimentJsonSchema } from '../dist/experiment.js';
import { logsJsonSchema } from '../dist/logs/schema-document.js';
import { solverSchema } from '../dist/bench/description.js';
import { studySchema } from '../dist/study/study.js';

const SCHEMAS = { experiment: experimentJsonSchema(), study: studySchema(), solver: solverSchema(), logs: logsJsonSchema() };
for (const [name, schema] of Object.entries(SCHEMAS)) writeFileSync(new URL(`../docs/${name}.schema.json`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
