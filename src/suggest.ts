// The word that a misspelt one was probably meant to be.

/** The known word that a misspelt one is probably meant to be. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const distance = (other: string) => editDistance(word.toLowerCase(), other.toLowerCase());
  const nearest = known.toSorted((a, b) => distance(a) - distance(b))[0];
  return nearest !== undefined && distance(nearest) <= Math.max(2, word.length / 3) ? nearest : undefined;
}

/** Insertions, deletions and substitutions that turn `a` into `b` (Levenshtein), a row of the table at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** `; did you mean X?` where one of the known words is close, else nothing. */
export function meant(word: string, known: readonly string[]): string {
  const nearest = closest(word, known);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}

/** How a message says that a word is not known, and which are: the word, then the list to the end of the line. */
const UNKNOWN = [
  /"([^"\n]+)" is not one of ([^\n;]+)/,
  /"([^"\n]+)" (?:is unknown|does not exist); expected (?:one of )?([^\n;]+)/,
  /unknown (?:field|variant) `([^`\n]+)`, expected (?:one of )?([^\n;]+)/,
  /(?:argument|value) '([^'\n]+)' is invalid[^.\n]*\. Allowed choices are ([^\n;]+)/,
];

/** A message, and in it behind a list of known words the one that was probably meant. */
export function suggested(message: string): string {
  if (/did you mean/i.test(message)) return message;
  for (const pattern of UNKNOWN) {
    const found = pattern.exec(message);
    if (!found) continue;
    const known = found[2]!.split(/, | or /).map((word) => word.replaceAll(/^[`"]|[`".]$/g, '')).filter((word) => /^[\w.-]+$/.test(word));
    const end = found.index + found[0].length;
    const hint = meant(found[1]!, known);
    return hint === '' ? message : `${message.slice(0, end).replace(/\.$/, '')}${hint}${message.slice(end)}`;
  }
  return message;
}
