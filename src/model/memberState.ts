/** The states of servers, and which of two is worse. */

/**
 * State of one server of a cluster, from HAProxy's status text.
 * `standby`: a backup server that is up but gets no traffic because active ones are there.
 */
export type MemberState = "up" | "standby" | "draining" | "down" | "maint" | "unknown";

/** Every state, worst first: of a server that is seen twice, in two backends or by two balancers, the worse counts. */
export const MEMBER_STATES: readonly MemberState[] = ["down", "unknown", "maint", "draining", "standby", "up"];

/** The worse of two states of one server; `undefined`: it was not seen before. */
export function worseState(known: MemberState | undefined, seen: MemberState): MemberState {
  return known !== undefined && MEMBER_STATES.indexOf(known) < MEMBER_STATES.indexOf(seen) ? known : seen;
}

/**
 * Ceilometer's numbers for the state of a member. A server that is up without a health check is not monitored (3),
 * one that stands by is up; 2 is ours, and so is 6 for maintenance.
 */
const STATE_NUMBERS: Readonly<Record<MemberState, number | undefined>> = {
  up: 1,
  standby: 1,
  draining: 2,
  down: 0,
  maint: 6,
  unknown: undefined,
};

const UNCHECKED = 3;

const WORST_NUMBER_FIRST: readonly number[] = [0, 6, 2, UNCHECKED, 1];

/** The number of a server's state; `undefined`: HAProxy's word for it is not known. */
export function stateNumber(state: MemberState, isChecked: boolean): number | undefined {
  const number = STATE_NUMBERS[state];
  return number === 1 && !isChecked ? UNCHECKED : number;
}

/** The worse of the numbers of two states of one server; `undefined`: it was not seen before. */
export function worseStateNumber(known: number | undefined, seen: number): number {
  if (known === undefined) return seen;
  return WORST_NUMBER_FIRST.indexOf(known) < WORST_NUMBER_FIRST.indexOf(seen) ? known : seen;
}
