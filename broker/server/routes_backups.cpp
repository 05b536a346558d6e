// Copies of the whole store, for administrators.
#include "broker/server/backup_desk.h"
#include "broker/server/handlers.h"
#include "broker/server/members.h"

namespace sluice::broker {
namespace {

struct BackupCall {
  std::optional<std::string> name;
};

constexpr Member<BackupCall> kMembers[] = {
    {"name",
     [](JsonView value, BackupCall& call) -> Status {
       auto name = value.string();
       if (!name || !is_backup_name(*name)) {
         return must_be(
             "must be 1 to 64 of A-Z, a-z, 0-9, \".\", \"_\" and \"-\", with no dot in "
             "front");
       }
       call.name = *std::move(name);
       return Ok{};
     }},
};

Error no_folder() {
  return {ErrorCode::kConflict,
          "this broker has no folder for backups: start it with --backup-dir DIR"};
}

void write_backup(JsonWriter& json, const Backup& backup) {
  json.begin_object()
      .member("name", std::string_view{backup.name})
      .member("createdAt", backup.created_at)
      .member("bytes", backup.bytes)
      .end_object();
}

}  // namespace

Task<Response> create_backup(Call& call) {
  BackupDesk* const desk = call.services.backups;
  if (desk == nullptr) co_return refuse(call, no_folder());
  const auto body = body_of(call);
  if (!body) co_return refuse(call, body.error());
  BackupCall wanted;
  const Status read = read_members<BackupCall>(*body, kMembers, call.unknown(), wanted);
  if (!read) co_return refuse(call, read.error());
  const Status disk = call.services.disk.check();
  if (!disk) co_return refuse(call, disk.error());
  const Status begun = desk->begin();
  if (!begun) co_return refuse(call, begun.error());
  // By reference: GCC 12 moves a string that a lambda of a co_await holds byte by byte.
  const auto made = co_await on_reader(*call.services.backup_thread,
                                       [desk, &wanted] { return desk->create(wanted.name); });
  if (!made) co_return refuse(call, made.error());
  Response response;
  response.status = 201;
  response.location.append(call.request.path()).append("/").append(made->name);
  JsonWriter json(response.body);
  write_backup(json, *made);
  co_return response;
}

Task<Response> list_backups(Call& call) {
  BackupDesk* const desk = call.services.backups;
  if (desk == nullptr) co_return refuse(call, no_folder());
  const auto backups = co_await on_reader(call.services.readers, [desk] { return desk->list(); });
  if (!backups) co_return refuse(call, backups.error());
  Response response;
  JsonWriter json(response.body);
  json.begin_object().key("backups").begin_array();
  for (const Backup& backup : *backups) write_backup(json, backup);
  json.end_array().end_object();
  co_return response;
}

Task<Response> delete_backup(Call& call) {
  BackupDesk* const desk = call.services.backups;
  if (desk == nullptr) co_return refuse(call, no_folder());
  const auto removed = co_await on_reader(call.services.readers,
                                          [desk, &call] { return desk->remove(call.match.item); });
  if (!removed) co_return refuse(call, removed.error());
  co_return Response{.body = "{}"};
}

}  // namespace sluice::broker
