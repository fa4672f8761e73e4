// A small test runner for the pages' modules. A page that imports tests calls run() at its end;
// browser_test.py reads what it left in window.results.

const tests = [];

export function test(claim, work) { tests.push({ claim, work }); }

export function equal(found, expected, what = '') {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}\n    found    ${a}\n    expected ${b}`);
}

export function ok(condition, what) {
  if (!condition) throw new Error(what);
}

// Leaves [{claim, error (null: passed)}].
export async function run() {
  const results = [];
  for (const { claim, work } of tests) {
    try {
      await work();
      results.push({ claim, error: null });
    } catch (error) {
      results.push({ claim, error: `${error.message}\n${error.stack ?? ''}` });
    }
  }
  window.results = results;
}
