/* collectord/live/region.c - see region.h. */
#include "collectord/live/region.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/live/memfd.h"

#define NEAR_EXACT 4096u /* bytes; below it events are about as frequent as allocations */

struct abi_geometry region_geometry(uint32_t rate)
{
	bool dense = rate <= NEAR_EXACT;

	return (struct abi_geometry){
		.lanes = 64,
		.lane_events = dense ? 16 * 1024 : 1024,
		.procs = 4096, /* forked children alive at a time */
		.stack_slots = dense ? 1u << 20 : 1u << 16,
		.stack_words = dense ? 32ull << 20 : 2ull << 20,
		.spill_slots = dense ? 256 * 1024 : 64 * 1024,
		.modules = 4096,
		.strings = 1ull << 20,
	};
}

static void fill(struct shared_region *r, const struct abi_header *h, uint32_t rate, uint32_t max_depth)
{
	abi_region_map(&r->map, r->base, h);
	*r->map.header = *h;
	store_relaxed(&r->map.control->rate, rate);
	store_relaxed(&r->map.control->max_depth, max_depth);
	store_relaxed(&r->map.control->on_full, ABI_ON_FULL_SPILL);
	store_relaxed(&r->map.cursors->words, 1);
}

int region_create(const struct abi_geometry *geo, uint64_t session, uint64_t epoch_ns, uint32_t rate,
		  uint32_t max_depth, struct shared_region *ret)
{
	struct shared_region made = SHARED_REGION_NONE;
	struct abi_header h;
	int r = 0;

	if (!abi_header_init(&h, geo))
		return -EINVAL;
	h.session = session;
	h.epoch_ns = epoch_ns;
	made.size = h.region_size;
	made.memfd = memfd_new("heaptap");
	if (made.memfd < 0)
		return made.memfd;
	if (ftruncate(made.memfd, (off_t)made.size))
		r = -errno;
	if (!r && fcntl(made.memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		r = -errno;
	if (r)
		goto out;
	made.base = mmap(NULL, made.size, PROT_READ | PROT_WRITE, MAP_SHARED, made.memfd, 0);
	if (made.base == MAP_FAILED) {
		r = -errno;
		made.base = NULL;
		goto out;
	}
	madvise(made.base, made.size, MADV_DONTDUMP);
	fill(&made, &h, rate, max_depth);
	*ret = made;
	made = (struct shared_region)SHARED_REGION_NONE;
out:
	region_destroy(&made);
	return r;
}

/* What the region itself says of its layout is not looked at: its program may have changed it. */
int region_adopt(int memfd, const struct abi_geometry *geo, uint64_t session, uint64_t epoch_ns,
		 struct shared_region *ret, bool *ret_mine)
{
	struct abi_header h;
	struct stat st;
	bool mine;
	void *base;
	int seals = fcntl(memfd, F_GET_SEALS);

	if (!abi_header_init(&h, geo) || fstat(memfd, &st) || (uint64_t)st.st_size != h.region_size || seals < 0 ||
	    ~seals & (F_SEAL_SHRINK | F_SEAL_GROW))
		return -EBADMSG;
	h.session = session;
	h.epoch_ns = epoch_ns;
	mine = seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
	base = mmap(NULL, h.region_size, PROT_READ | PROT_WRITE, mine ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED,
		    memfd, 0);
	if (base == MAP_FAILED)
		return -errno;
	madvise(base, h.region_size, MADV_DONTDUMP);
	*ret = (struct shared_region){ .base = base, .size = h.region_size, .memfd = memfd };
	abi_region_map(&ret->map, base, &h);
	*ret_mine = mine;
	return 0;
}

/* The kernel seals against writing only what nobody has mapped for writing. */
int region_is_ours(struct shared_region *r)
{
	struct abi_header h;
	bool ours;
	void *base;

	if (!abi_header_init(&h, &r->map.geo))
		return -EINVAL;
	h.session = r->map.session;
	h.epoch_ns = r->map.epoch_ns;
	munmap(r->base, r->size);
	r->base = NULL;
	ours = fcntl(r->memfd, F_ADD_SEALS, F_SEAL_WRITE) == 0 || errno != EBUSY;
	base = mmap(NULL, r->size, PROT_READ | PROT_WRITE, ours ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED,
		    r->memfd, 0);
	if (base == MAP_FAILED &&
	    errno == EPERM) { /* sealed by a client (F_SEAL_FUTURE_WRITE): what is there counts */
		ours = true;
		base = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, r->memfd, 0);
	}
	if (base == MAP_FAILED)
		return -errno;
	madvise(base, r->size, MADV_DONTDUMP);
	r->base = base;
	abi_region_map(&r->map, base, &h);
	return ours;
}

void region_destroy(struct shared_region *r)
{
	if (r->base)
		munmap(r->base, r->size);
	if (r->memfd >= 0)
		close(r->memfd);
	*r = (struct shared_region)SHARED_REGION_NONE;
}
