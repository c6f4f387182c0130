// Records for tests: patients who are ill or well, and are treated or not.
import seedrandom from 'seedrandom';

/** How the records of {@link patients} differ. */
export interface Patients {
  episodes: number;
  visits?: number;
  seed?: number;
  /** Nobody is left untreated when ill. */
  gap?: boolean;
}

export const SCHEMA = { episode: 'patient', step: 'visit', observations: ['severity'], action: 'action', reward: 'reward', propensity: 'propensity' } as const;

/** A CSV file's text. The true dynamics do not depend on more than severity and action. */
export function patients({ episodes, visits = 5, seed = 1, gap = false }: Patients): string {
  const random = seedrandom(`patients ${seed}`);
  const lines = ['patient,visit,severity,action,reward,propensity'];
  for (let patient = 1; patient <= episodes; patient++) {
    let ill = random() < 0.5;
    for (let visit = 0; visit < visits; visit++) {
      const chance = ill ? (gap ? 1 : 0.7) : 0.4;
      const treat = random() < chance;
      lines.push([`p${patient}`, visit, ill ? 'ill' : 'well', treat ? 'treat' : 'wait', (ill ? -1 : 1) - (treat ? 0.25 : 0), treat ? chance : 1 - chance].join(','));
      ill = random() < (ill ? (treat ? 0.3 : 0.8) : treat ? 0.1 : 0.25);
    }
  }
  return `${lines.join('\n')}\n`;
}
