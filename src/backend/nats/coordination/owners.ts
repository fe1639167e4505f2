/** Who owns which partition, by the bucket as far as it was seen. */

export interface Claimed {
  /** `undefined`: nobody, it was given back. */
  readonly owner: string | undefined;
  /** Of its key: what the next change of it must name. 0: there is no key. */
  readonly revision: number;
}

const NOBODY: Claimed = { owner: undefined, revision: 0 };

export class OwnerBook {
  readonly #claimed = new Map<number, Claimed>();
  #version = 0;
  #owners: ReadonlySet<string> | undefined;

  /** Another one after each change. */
  get version(): number {
    return this.#version;
  }

  of(partition: number): Claimed {
    return this.#claimed.get(partition) ?? NOBODY;
  }

  /** Takes over what was seen or answered, unless something newer was. Returns whether it did. */
  saw(partition: number, claimed: Claimed): boolean {
    if (claimed.revision <= this.of(partition).revision) return false;
    this.#claimed.set(partition, claimed);
    this.#changed();
    return true;
  }

  /** Its key is not there at all, as of this revision of the bucket. */
  absent(partition: number, asOfRevision: number): void {
    if (this.of(partition).revision > asOfRevision) return;
    if (this.#claimed.delete(partition)) this.#changed();
  }

  /** Everybody who owns something. */
  owners(): ReadonlySet<string> {
    this.#owners ??= new Set([...this.#claimed.values()].flatMap(({ owner }) => (owner === undefined ? [] : [owner])));
    return this.#owners;
  }

  /** The bucket is another one: nothing of before holds. */
  reset(): void {
    this.#claimed.clear();
    this.#changed();
  }

  #changed(): void {
    this.#version++;
    this.#owners = undefined;
  }
}
