import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unownedLines } from "../../../../src/backend/nats/views/remoteViewAsking.ts";
import { merged, mergedByAge, mergedByName } from "../../../../src/backend/nats/views/remoteViewMerge.ts";

const engines = ["e1", "e2", "e3"];
const row = fc.record({ cluster_id: fc.constantFrom("a", "b", "c", "d"), key: fc.nat(5), by: fc.constant("") });
const answers = fc
  .subarray(engines)
  .chain((ids) =>
    fc.tuple(...ids.map((id) => fc.array(row).map((rows) => ({ id, value: rows.map((one) => ({ ...one, by: id })) })))),
  );
const owners = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom(...engines));

describe("rows of several engines", () => {
  it("each cluster that anybody has is there, whole and in order, from one engine: its owner, if that has it", () => {
    fc.assert(
      fc.property(answers, owners, (answered, owner) => {
        const all = merged(answered, (id) => owner[id]);
        for (const id of ["a", "b", "c", "d"]) {
          const having = answered.filter(({ value }) => value.some((one) => one.cluster_id === id));
          const teller = having.find((one) => one.id === owner[id]) ?? having[0];
          const own = teller?.value.filter((one) => one.cluster_id === id) ?? [];
          expect(all.filter((one) => one.cluster_id === id)).toEqual(own);
        }
      }),
    );
  });

  it("by name they are in order, and it does not matter who answered first where every cluster is at one", () => {
    const named = (id: string, cluster: string) => ({
      id,
      value: [{ cluster_id: cluster, cluster_name: `web ${cluster}` }],
    });
    const answered = [named("e1", "b"), named("e2", "a"), named("e3", "c")];
    const none = () => undefined;
    expect(mergedByName(answered, none).map((one) => one.cluster_id)).toEqual(["a", "b", "c"]);
    expect(mergedByName(answered.toReversed(), none)).toEqual(mergedByName(answered, none));
  });

  it("the newest of all are among the newest of each", () => {
    const ages = fc.array(fc.nat(99), { maxLength: 20 });
    fc.assert(
      fc.property(ages, ages, fc.integer({ min: 1, max: 10 }), (one, other, limit) => {
        const rowsOf = (cluster: string, list: readonly number[]) =>
          list
            .toSorted((a, b) => b - a)
            .map((age) => ({ cluster_id: cluster, created_at: `2026-11-21T00:00:${String(age).padStart(2, "0")}` }));
        const answered = [
          { id: "e1", value: rowsOf("a", one).slice(0, limit) },
          { id: "e2", value: rowsOf("b", other).slice(0, limit) },
        ];
        const newest = mergedByAge(answered, () => undefined, limit).map(({ created_at: at }) => at);
        const all = [...rowsOf("a", one), ...rowsOf("b", other)].map(({ created_at: at }) => at);
        expect(newest).toEqual(all.toSorted().toReversed().slice(0, limit));
      }),
    );
  });
});

it.each([
  { unowned: [], lines: [] },
  { unowned: [3], lines: ["partition 3 has no owner"] },
  { unowned: [0, 1, 2, 5, 7, 8], lines: ["partitions 0-2, 5, 7-8 have no owner"] },
])("partitions $unowned without an owner: $lines", ({ unowned, lines }) => {
  expect(unownedLines(unowned)).toEqual(lines);
});
