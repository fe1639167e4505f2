import type { World } from "./context.ts";
export async function lab(_world: World, _flags: { keep?: boolean; data?: string }): Promise<number> {
  return 0;
}
