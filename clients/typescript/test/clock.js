/** Time in the test's hand, in place of the global timers. (Those of node:test came with Node 20.) */
export class Clock {
  #now = 0;
  #last = 0;
  #timers = new Map();

  constructor() {
    globalThis.setTimeout = (work, ms = 0) => {
      this.#last += 1;
      this.#timers.set(this.#last, { at: this.#now + ms, work });
      return this.#last;
    };
    globalThis.clearTimeout = (id) => this.#timers.delete(id);
  }

  get now() {
    return this.#now;
  }

  /** Lets so long pass, and what is due happen in its order. */
  tick(ms) {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end);
      if (due.length === 0) break;
      const [id, { at, work }] = due.reduce((a, b) => (b[1].at < a[1].at ? b : a));
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, at);
      work();
    }
    this.#now = end;
  }
}
