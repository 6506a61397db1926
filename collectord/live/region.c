/* collectord/live/region.c - see region.h. */
#include "collectord/live/region.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* Linux 6.3; Debian 12's headers are older */
#endif

#define NEAR_EXACT 4096u /* bytes; below it events are about as frequent as allocations */

struct abi_geometry region_geometry(uint32_t rate)
{
	bool dense = rate <= NEAR_EXACT;

	return (struct abi_geometry){
		.lanes = 64,
		.lane_events = dense ? 16 * 1024 : 1024,
		.procs = 64,
		.stack_slots = dense ? 1u << 20 : 1u << 16,
		.stack_words = dense ? 32ull << 20 : 2ull << 20,
		.spill_slots = dense ? 128 * 1024 : 8 * 1024,
		.modules = 4096,
		.strings = 1ull << 20,
	};
}

/* vm.memfd_noexec=2 refuses a memfd that could be executed; kernels before 6.3 refuse the flag. */
static int create_memfd(void)
{
	int fd = memfd_create("heaptap", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("heaptap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
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
	made.memfd = create_memfd();
	if (made.memfd < 0)
		return made.memfd;
	if (ftruncate(made.memfd, (off_t)made.size))
		r = -errno;
	if (!r && fcntl(made.memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
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

void region_destroy(struct shared_region *r)
{
	if (r->base)
		munmap(r->base, r->size);
	if (r->memfd >= 0)
		close(r->memfd);
	*r = (struct shared_region)SHARED_REGION_NONE;
}
