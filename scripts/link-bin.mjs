// Links the package's own command into node_modules/.bin, so that `npx tiresias` in a checkout runs this build. Without the link
// npx packs and prepares a second copy of the whole project first.
import { chmodSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const main = join(root, 'dist', 'cli', 'main.js');
chmodSync(main, 0o755);
const bin = join(root, 'node_modules', '.bin');
mkdirSync(bin, { recursive: true });
rmSync(join(bin, 'tiresias'), { force: true });
symlinkSync(join('..', '..', 'dist', 'cli', 'main.js'), join(bin, 'tiresias'));
