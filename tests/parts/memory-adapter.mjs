// Where oidc-provider keeps its sessions, codes and tokens: in memory, for one provider, for as long as it runs.
// (Its own in-memory adapter is one store for the whole process, forgets after 1000 entries, and warns at start.)

// `refreshGraceSeconds`: for so long a refresh token that was rotated away is still taken, as at Cognito.
export function memoryAdapter({ refreshGraceSeconds = 0 } = {}) {
  const entries = new Map();          // "Model:id" -> payload
  const grants = new Map();           // grant id -> Set of keys
  const byUid = new Map();            // session uid -> id

  return class {
    constructor(model) { this.model = model; }

    async upsert(id, payload) {
      const key = `${this.model}:${id}`;
      entries.set(key, payload);
      if (payload.uid) byUid.set(payload.uid, id);
      if (payload.grantId) {
        if (!grants.has(payload.grantId)) grants.set(payload.grantId, new Set());
        grants.get(payload.grantId).add(key);
      }
    }

    async find(id) {
      const entry = entries.get(`${this.model}:${id}`);
      if (this.model !== 'RefreshToken' || !entry?.consumed) return entry;
      if (Date.now() / 1000 - entry.consumed >= refreshGraceSeconds) return entry;
      const { consumed, ...usable } = entry;
      return usable;
    }

    async findByUid(uid) { return this.find(byUid.get(uid)); }

    async consume(id) { entries.get(`${this.model}:${id}`).consumed = Math.floor(Date.now() / 1000); }

    async destroy(id) { entries.delete(`${this.model}:${id}`); }

    async revokeByGrantId(grantId) {
      for (const key of grants.get(grantId) ?? []) entries.delete(key);
      grants.delete(grantId);
    }
  };
}
