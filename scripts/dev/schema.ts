import { join } from 'node:path';
import { writeWhole } from '../../lib/files.ts';
import { clusterJsonSchema } from '../../nodes/schema.ts';

// Writes nodes/cluster.schema.json, which editors use to complete and check cluster.yaml. Run: node scripts/dev/schema.ts
await writeWhole(join(import.meta.dirname, '../../nodes/cluster.schema.json'), `${JSON.stringify(clusterJsonSchema(), undefined, 2)}\n`);
