import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressComplaint, overlap, placeInSubnet, subnetAddresses, subnetComplaint } from '../../nodes/addresses.ts';

const octet = fc.integer({ min: 0, max: 255 });
const prefix = fc.integer({ min: 8, max: 30 });
const long = fc.integer({ min: 0, max: 0xffff_ffff });

// Written down once more, with plain arithmetic, to judge what netmask is asked to do.
const dotted = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
const network = (value: number, bits: number): number => value - (value % 2 ** (32 - bits));

test('every dotted address is one; one with a leading zero never is', () => {
  fc.assert(fc.property(octet, octet, octet, octet, fc.integer({ min: 0, max: 3 }), (a, b, c, d, which) => {
    const parts = [a, b, c, d].map(String);
    assert.equal(addressComplaint(parts.join('.')), undefined);
    const zero = parts.map((part, i) => (i === which ? `0${part}` : part)).join('.');
    assert.match(addressComplaint(zero)?.code ?? '', /^E_INVENTORY_ADDRESS/);
  }));
});

test('no other text is an address', () => {
  fc.assert(fc.property(fc.string(), (text) => {
    fc.pre(!/^(\d{1,3}\.){3}\d{1,3}$/.test(text));
    assert.notEqual(addressComplaint(text), undefined);
  }));
  for (const text of ['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '0x7f.1.1.1', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.4\n', '::1', '１.2.3.4']) assert.notEqual(addressComplaint(text), undefined, text);
});

test('a subnet is accepted exactly without host bits, and the hint is the right one', () => {
  fc.assert(fc.property(long, prefix, (value, bits) => {
    const right = `${dotted(network(value, bits))}/${bits}`;
    assert.equal(subnetComplaint(right), undefined);
    const complaint = subnetComplaint(`${dotted(value)}/${bits}`);
    if (network(value, bits) === value) assert.equal(complaint, undefined);
    else assert.deepEqual([complaint?.code, complaint?.hint], ['E_INVENTORY_SUBNET_HOST_BITS', `Write ${right}.`]);
  }));
});

test('an address\'s place in a subnet agrees with arithmetic', () => {
  fc.assert(fc.property(long, prefix, long, fc.boolean(), (base, bits, other, inside) => {
    const first = network(base, bits);
    const size = 2 ** (32 - bits);
    const value = inside ? first + (other % size) : other;
    const expected = value < first || value >= first + size ? 'outside' : value === first ? 'network' : value === first + size - 1 ? 'broadcast' : 'host';
    assert.equal(placeInSubnet(dotted(value), `${dotted(first)}/${bits}`), expected);
  }));
});

test('a subnet\'s addresses are all its hosts, and only them', () => {
  fc.assert(fc.property(long, fc.integer({ min: 24, max: 30 }), (base, bits) => {
    const subnet = `${dotted(network(base, bits))}/${bits}`;
    const all = subnetAddresses(subnet);
    assert.equal(new Set(all).size, 2 ** (32 - bits) - 2);
    assert.ok(all.every((address) => placeInSubnet(address, subnet) === 'host'));
  }), { numRuns: 40 });
});

test('subnets overlap when one holds the other\'s first address', () => {
  fc.assert(fc.property(long, prefix, long, prefix, (one, oneBits, other, otherBits) => {
    const [a, b] = [network(one, oneBits), network(other, otherBits)];
    const expected = a < b + 2 ** (32 - otherBits) && b < a + 2 ** (32 - oneBits);
    assert.equal(overlap(`${dotted(a)}/${oneBits}`, `${dotted(b)}/${otherBits}`), expected);
  }));
});
