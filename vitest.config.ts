import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Tests start processes, solve and train; two cores are all that they may count on.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    // Files run beside one another: a solve with a limit of time must not get only what the others' threads leave. test/threads.test.ts
    // takes this back.
    env: { TIRESIAS_NICE: '0' },
  },
});
