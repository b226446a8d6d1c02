import ssh2 from 'ssh2';

/** An SSH key pair in OpenSSH's formats: the private key, and the public line (`ssh-ed25519 AAAA…`). */
export type SshKeyPair = { readonly private: string; readonly public: string };

/**
 * A new Ed25519 key pair. ssh2's own generator (mscdex/ssh2:lib/keygen.js, 1.17) writes one private key in about 250 so that
 * nobody can read it again; such a pair is thrown away and another made.
 */
export function newSshKey(): SshKeyPair {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}
