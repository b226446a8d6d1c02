import type { RunEvent } from '../../lib/host.ts';
import { provideTools } from '../provide-tools.ts';
import type { CommonOptions, Session } from '../session.ts';
import { wayText } from '../terminal/tools.ts';

/** `firstlight tools`: sees to it that every pinned tool is there, and lists on standard output which it is and where it came from. */
export async function toolsAction(session: Session, _argument: string | undefined, options: CommonOptions): Promise<number> {
  const ends = new Map<string, RunEvent>();
  const emit = (event: RunEvent): void => {
    if (event.code === 'tool.progress' && event.data?.['phase'] === 'done') ends.set(String(event.data['tool']), event);
    session.host.emit(event);
  };
  const programs = await provideTools({ ...session, host: { ...session.host, emit } });
  await session.view.end();
  const tools = [...ends].map(([tool, { data }]) => ({ tool, version: data?.['version'], way: data?.['way'], seconds: data?.['seconds'] }));
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ code: 'tools', data: { tools, programs: Object.fromEntries(programs) } })}\n`);
    return 0;
  }
  const wide = Math.max(...tools.map(({ tool }) => tool.length));
  for (const { tool, version, way, seconds } of tools) {
    const took = way === 'download' || way === 'build' ? `${String(seconds)} s` : '';
    process.stdout.write(`${tool.padEnd(wide)}  ${String(version).padEnd(8)}  ${wayText(way).padEnd(13)}  ${took}`.trimEnd() + '\n');
  }
  return 0;
}
