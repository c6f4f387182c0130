// Writes docs/study.schema.json from the schema in src/study/study.ts (run after `npm run build:ts`, which does so itself).
import { writeFileSync } from 'node:fs';
import { studySchema } from '../dist/study/study.js';

writeFileSync(new URL('../docs/study.schema.json', import.meta.url), `${JSON.stringify(studySchema(), null, 2)}\n`);
