/** One thing that happened to a service; `at` is milliseconds since 1970. */
export type ServiceHappening = { readonly state: string; readonly text: string; readonly at: number };

/** A service of Talos; `healthy` is undefined while nobody has looked. */
export type Service = {
  readonly id: string;
  state: string;
  healthy: boolean | undefined;
  healthText: string;
  healthAt: number;
  readonly events: ServiceHappening[];
};

/** The services of one machine. */
export type Services = {
  /** All, by id. */
  list(): readonly Service[];
  get(id: string): Service | undefined;
  /** Notes a new state (`Preparing`, `Running`, …); the first note registers the service. */
  note(id: string, state: string, text: string): void;
  /** Forgets a service, as Talos does before it makes it anew. */
  forget(id: string): void;
  /** Notes what the health check says. */
  health(id: string, healthy: boolean, text?: string): void;
};

/** Keeps services; `changed` hears of every change with the service, its id in `list` order. */
export function createServices(changed: (service: Service) => void): Services {
  const all = new Map<string, Service>();
  const note = (id: string, state: string, text: string): void => {
    const service = all.get(id) ?? { id, state, healthy: undefined, healthText: '', healthAt: 0, events: [] };
    all.set(id, service);
    if (service.state !== state && state !== 'Running') {
      service.healthy = undefined;
      service.healthText = '';
    }
    service.state = state;
    service.events.push({ state, text, at: Date.now() });
    changed(service);
  };
  return {
    list: () => [...all.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    get: (id) => all.get(id),
    forget: (id) => void all.delete(id),
    note,
    health: (id, healthy, text = '') => {
      const service = all.get(id);
      if (!service || service.state !== 'Running' || (service.healthy === healthy && service.healthText === text)) return;
      service.healthy = healthy;
      service.healthText = text;
      service.healthAt = Date.now();
      service.events.push({ state: 'Running', text: healthy ? 'Health check successful' : `Health check failed: ${text}`, at: Date.now() });
      changed(service);
    },
  };
}
