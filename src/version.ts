import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { name: string; version: string };

/** The package's name, with its scope. */
export const packageName: string = manifest.name;

/** The package's version. */
export const version: string = manifest.version;
