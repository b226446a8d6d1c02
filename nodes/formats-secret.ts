import { Encrypter } from 'age-encryption';
import type { Complaint } from './addresses.ts';

/** An age recipient (X25519, `age1…`, checksum checked). The text is never repeated: it may be a private key pasted by mistake. */
export function ageRecipient(text: string): Complaint | undefined {
  if (/age-secret-key-/i.test(text)) {
    return { code: 'E_INVENTORY_SECRET_IN_FILE', message: 'this is a private age key, not a recipient',
      hint: 'Take it out, treat it as lost and make a new one; the recipient is what age-keygen -y prints, it begins with age1.' };
  }
  const hint = 'Print it with: age-keygen -y KEYFILE ; it begins with age1 and has 62 letters.';
  if (!/^age1[02-9ac-hj-np-z]{58}$/.test(text)) return { code: 'E_INVENTORY_RECIPIENT', message: 'this is not an age recipient', hint };
  try {
    new Encrypter().addRecipient(text);
    return undefined;
  } catch {
    return { code: 'E_INVENTORY_RECIPIENT', message: 'this age recipient has a wrong letter (its checksum does not fit)', hint };
  }
}

/** A card's device: a stable by-id path or a file. Kernel names like /dev/sda are refused, for they change from boot to boot. */
export function cardDevice(text: string): Complaint | undefined {
  const code = 'E_INVENTORY_CARD_DEVICE';
  const hint = 'Write the path that ls -l /dev/disk/by-id shows for the card reader.';
  if (text.startsWith('/dev/') && !text.startsWith('/dev/disk/by-id/')) {
    return { code, message: `"${text}" may be another disk after the next boot`, hint };
  }
  return text.startsWith('/') && !text.split('/').includes('..') ? undefined : { code, message: `"${text}" is not an absolute path`, hint };
}
