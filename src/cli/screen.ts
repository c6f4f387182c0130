// Text on a screen of so many columns: no word is broken, and what goes on stands below where it began.

/** Room that is left for words, at least. */
const LEAST = 20;

/** Words in lines of at most `columns`, those after the first behind `indent` spaces. */
function wrapped(words: readonly string[], columns: number, indent: number, end = ''): string {
  const lines = [words[0] ?? ''];
  for (const word of words.slice(1)) {
    if (`${lines.at(-1)!} ${word}${end}`.length <= columns) lines[lines.length - 1] += ` ${word}`;
    else lines.push(' '.repeat(indent) + word);
  }
  return lines.join(`${end}\n`);
}

/** A line that is too long goes on below its last column, where columns are set apart by two spaces, or below its beginning. */
function fittedLine(line: string, columns: number): string {
  if (line.length <= columns) return line;
  const lead = /^\s*/.exec(line)![0].length;
  const second = /^\s*\S+(?: \S+)*\s{2,}/.exec(line)?.[0].length ?? 0;
  const indent = second > 0 && columns - second >= LEAST ? second : lead + 2;
  // The first column stays as it is.
  const [first, ...words] = line.slice(second || lead).split(' ');
  return wrapped([line.slice(0, second || lead) + first!, ...words], columns, indent);
}

/** Text for a screen; as it is where there is none. */
export function fitted(text: string, columns: number | undefined): string {
  return columns === undefined ? text : text.split('\n').map((line) => fittedLine(line, columns)).join('\n');
}

/** A command of an example, which goes on in another line as a shell takes it. */
export function commandLine(command: string, columns: number | undefined): string {
  const line = `  $ ${command}`;
  return columns === undefined || line.length <= columns ? line : wrapped(pieces(line), columns, 6, ' \\');
}

/** The words of a command; what is quoted is one. */
const pieces = (line: string): string[] => /^(\s*\S+) (.*)$/.exec(line)!.slice(1).flatMap((part, i) => (i === 0 ? [part] : part.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? []));
