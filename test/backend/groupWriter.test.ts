import { expect, it } from "vitest";
import { GroupWriter } from "../../src/backend/sqlite/worker.ts";

/** A writer whose groups are answered one by one. */
function aWriter(isOrdered: boolean) {
  const groups: (readonly number[])[] = [];
  const answers: ((errors: (string | null)[]) => void)[] = [];
  const writer = new GroupWriter<number>((group) => {
    groups.push(group);
    return new Promise((resolve) => answers.push(resolve));
  }, isOrdered);
  const add = (item: number) =>
    writer.add(item).then(
      () => "written",
      (error: Error) => error.message,
    );
  const answer = async (...errors: (string | null)[]) => {
    answers.shift()?.(errors);
    await new Promise<void>((resolve) => setImmediate(resolve));
  };
  return { groups, add, answer };
}

it("what comes while a group is written is the next group", async () => {
  const { groups, add, answer } = aWriter(true);
  const first = [add(1), add(2)];
  await answer();
  const rest = [add(3), add(4)];
  await answer(null, null);
  await answer(null, null);
  expect(await Promise.all([...first, ...rest])).toEqual(["written", "written", "written", "written"]);
  expect(groups).toEqual([
    [1, 2],
    [3, 4],
  ]);
});

it("in order: what waits behind a failure is not written before it", async () => {
  const { groups, add, answer } = aWriter(true);
  const first = add(1);
  await answer();
  const second = add(2);
  await answer("no room");
  expect(await Promise.all([first, second])).toEqual(["no room", "no room"]);
  const again = [add(1), add(2)];
  await answer();
  await answer(null, null);
  expect(await Promise.all(again)).toEqual(["written", "written"]);
  expect(groups).toEqual([[1], [1, 2]]);
});

it("otherwise a failure is its own", async () => {
  const { groups, add, answer } = aWriter(false);
  const first = add(1);
  await answer();
  const second = add(2);
  await answer("no room");
  await answer(null);
  expect(await Promise.all([first, second])).toEqual(["no room", "written"]);
  expect(groups).toEqual([[1], [2]]);
});
