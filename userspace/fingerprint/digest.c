/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/fingerprint/fingerprint.h"

#include <openssl/evp.h>
#include <string.h>

#define DIGEST_PREFIX "sha256:"
#define SHA256_BYTES 32

static void digest_put(const unsigned char *hash, struct digest *ret)
{
	static const char hex[] = "0123456789abcdef";
	char *out = ret->text + strlen(DIGEST_PREFIX);

	memcpy(ret->text, DIGEST_PREFIX, strlen(DIGEST_PREFIX));
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		*out++ = hex[hash[i] >> 4];
		*out++ = hex[hash[i] & 15];
	}
	*out = '\0';
}

void digest_bytes(const void *data, size_t size, struct digest *ret)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	ret->text[0] = '\0';
	if (EVP_Digest(size ? data : "", size, hash, &length, EVP_sha256(), NULL) == 1 && length == SHA256_BYTES)
		digest_put(hash, ret);
}

bool digest_prefix_valid(const char *text)
{
	size_t digits;

	if (strncmp(text, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0)
		return false;
	text += strlen(DIGEST_PREFIX);
	digits = strspn(text, "0123456789abcdef");
	return digits >= 1 && digits <= 2 * SHA256_BYTES && text[digits] == '\0';
}

/* A digest in the making; any failure (out of memory) sticks, and its result is then "". */
struct digester {
	EVP_MD_CTX *context;
	bool any; /* a line was fed */
};

static void digester_begin(struct digester *d)
{
	d->context = EVP_MD_CTX_new();
	d->any = false;
	if (d->context && EVP_DigestInit_ex(d->context, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(d->context);
		d->context = NULL;
	}
}

static void digester_feed(struct digester *d, const char *text)
{
	if (d->context && EVP_DigestUpdate(d->context, text, strlen(text)) != 1) {
		EVP_MD_CTX_free(d->context);
		d->context = NULL;
	}
}

static void digester_line(struct digester *d, const char *facet, const char *key, const char *value)
{
	d->any = true;
	digester_feed(d, facet);
	digester_feed(d, " ");
	digester_feed(d, key);
	if (value) {
		digester_feed(d, " ");
		digester_feed(d, value);
	}
	digester_feed(d, "\n");
}

/* No line fed: there is no digest. */
static void digester_end(struct digester *d, struct digest *ret)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	ret->text[0] = '\0';
	if (d->context && d->any && EVP_DigestFinal_ex(d->context, hash, &length) == 1 && length == SHA256_BYTES)
		digest_put(hash, ret);
	EVP_MD_CTX_free(d->context);
}

static void facet_digest(const struct abi_entries *entries, enum facet_id facet, bool complete_keys_only, struct digest *ret)
{
	struct digester d;

	digester_begin(&d);
	for (size_t i = 0; i < entries->count; i++) {
		const struct abi_entry *entry = &entries->items[i];

		if (entry->facet == facet && (!complete_keys_only || entry_complete(entry)))
			digester_line(&d, facet_get(facet)->name, entry->key, entry->value);
	}
	digester_end(&d, ret);
}

void fingerprint_facet_digest(const struct abi_entries *entries, enum facet_id facet, struct digest *ret)
{
	facet_digest(entries, facet, false, ret);
}

void fingerprint_digest(const struct abi_entries *entries, struct digest *ret)
{
	struct digester d;

	digester_begin(&d);
	/* Sorted entries have their facets in the order of their names, which is the order of the lines digested here. */
	for (size_t i = 0; i < entries->count; i++) {
		enum facet_id facet = entries->items[i].facet;
		struct digest part;

		if (i > 0 && entries->items[i - 1].facet == facet)
			continue;
		if (entries->coverage[facet].level != COVERAGE_COMPLETE || facet == FACET_IDENTITY || facet == FACET_PLACEMENT)
			continue;
		facet_digest(entries, facet, true, &part);
		if (part.text[0])
			digester_line(&d, facet_get(facet)->name, part.text, NULL);
	}
	digester_end(&d, ret);
}
