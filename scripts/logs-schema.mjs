// Writes docs/logs.schema.json from the schema in src/logs/schema-document.ts (run after `npm run build:ts`, which does so itself).
import { writeFileSync } from 'node:fs';
import { logsJsonSchema } from '../dist/logs/schema-document.js';

writeFileSync(new URL('../docs/logs.schema.json', import.meta.url), `${JSON.stringify(logsJsonSchema(), null, 2)}\n`);
