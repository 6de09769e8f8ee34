// The four groups of endpoints, as the program calls them too (ENDPOINTS).
export const GROUPS = ['authorize', 'token', 'metadata', 'mcp'] as const;
export type Group = (typeof GROUPS)[number];

/** What each may do with the session table, and nothing else. */
export const SESSION_ACTIONS: Record<Group, string[]> = {
  authorize: ['dynamodb:PutItem', 'dynamodb:UpdateItem'],
  token: ['dynamodb:GetItem', 'dynamodb:DeleteItem'],
  metadata: [],
  mcp: [],
};

/** Seconds that 99 % of the requests should take at most. Limits are 30, 30, 10 and 180 (src/app/routes.c). */
export const DURATION_LIMIT_S: Record<Group, number> = { authorize: 10, token: 10, metadata: 1, mcp: 15 };

export const pascal = (group: Group): string => group[0]!.toUpperCase() + group.slice(1);
